/** The view of stubs: responses for other routes, in WireMock's JSON. */

/** @import { Context, View } from "./context.js" */
import { ApiError } from "./api.js";
import { settingOf } from "./context.js";
import { fill, h } from "./dom.js";
import { badge, emptyState, field, openDialog, table } from "./parts.js";

/** WireMock's stub mapping. @typedef {any} Stub */

/**
 * @param {Context} context
 * @returns {View}
 */
export function stubsView(context) {
  const list = h("div");
  const element = h(
    "section",
    { class: "view scroll", "aria-label": "Stubs" },
    h(
      "div",
      { class: "view-head" },
      h("h1", {}, "Stubs"),
      h("span", { class: "grow" }),
      h("button", { type: "button", class: "primary", onclick: () => edit() }, "Add a stub…"),
      h("button", { type: "button", onclick: () => change("POST", "mappings/reset") }, "Restore the stubs of files"),
    ),
    list,
  );
  let rendered = "";
  let selectedId = "";

  async function load() {
    try {
      const [{ mappings }, { scenarios }] = await Promise.all([
        context.api.get("mappings"),
        context.api.get("scenarios"),
      ]);
      const text = JSON.stringify([mappings, scenarios, selectedId]);
      if (text === rendered) return; // a new button would lose the focus
      rendered = text;
      fill(list, mappings.length ? stubsCard(mappings) : emptyCard(), scenarios.length > 0 && scenariosCard(scenarios));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      context.notify(error.message, true);
    }
  }

  /**
   * @param {string} method
   * @param {string} path
   */
  async function change(method, path) {
    try {
      await context.api.json(method, path);
      await load();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      context.notify(error.message, true);
    }
  }

  /** @param {Stub[]} stubs */
  function stubsCard(stubs) {
    const rows = stubs.map((stub) => [
      h(
        "div",
        { "aria-current": stub.id === selectedId ? "true" : false },
        h("code", {}, describeRequest(stub.request)),
        h("div", { class: "dim small-text" }, stub.name ?? stub.id),
      ),
      describeResponse(stub.response),
      [
        stub.priority !== undefined && badge("info", `priority ${stub.priority}`),
        stub.persistent && badge("ok", "persistent"),
        stub.scenarioName !== undefined &&
          badge("fault", `${stub.scenarioName}: ${stub.requiredScenarioState ?? "any state"}`),
      ],
      h(
        "div",
        { class: "actions" },
        h(
          "button",
          { type: "button", class: "small", "aria-label": `Edit ${stub.name ?? stub.id}`, onclick: () => edit(stub) },
          "Edit",
        ),
        h(
          "button",
          {
            type: "button",
            class: "small",
            "aria-label": `Remove ${stub.name ?? stub.id}`,
            onclick: () => change("DELETE", `mappings/${stub.id}`),
          },
          "Remove",
        ),
      ),
    ]);
    const columns = [{ label: "Request" }, { label: "Response" }, { label: "Properties" }, { label: "" }];
    return h("div", { class: "card" }, table("Stubs, in order of precedence", columns, rows));
  }

  /** @param {Stub} [stub] */
  function edit(stub) {
    const text = h("textarea", { rows: 16, spellcheck: "false" });
    text.value = JSON.stringify(stub ?? example(context), null, 2);
    const problem = h("p", { class: "error", role: "alert" });
    const dialog = openDialog(
      stub ? "Edit the stub" : "Add a stub",
      field("Stub as JSON", text),
      problem,
      h("button", { type: "button", class: "primary", onclick: save }, "Save"),
    );
    async function save() {
      try {
        const body = JSON.parse(text.value);
        await (stub
          ? context.api.json("PUT", `mappings/${stub.id}`, body)
          : context.api.json("POST", "mappings", body));
        dialog.close();
        await load();
      } catch (error) {
        if (!(error instanceof ApiError || error instanceof SyntaxError)) throw error;
        const place = error instanceof ApiError && error.pointer ? `${error.pointer}: ` : "";
        problem.textContent = place + error.message;
      }
    }
  }

  return {
    element,
    show({ id = "" }) {
      selectedId = id;
      load();
    },
    refresh: load,
  };
}

/**
 * Return the method and the URL of a request pattern.
 * @param {any} [request]
 * @returns {string}
 */
export function describeRequest(request = {}) {
  const url = request.urlPath ?? request.urlPathTemplate ?? request.url ?? request.urlPathPattern ?? request.urlPattern;
  const method = request.method ?? "ANY";
  return `${typeof method === "string" ? method : JSON.stringify(method)} ${url ?? "any URL"}`;
}

/** @param {any} response */
function describeResponse(response = {}) {
  if (response.fault) return response.fault;
  const delay = response.fixedDelayMilliseconds ? ` after ${response.fixedDelayMilliseconds} ms` : "";
  return `${response.status ?? 200}${delay}`;
}

/** @param {Context} context */
function example(context) {
  return {
    request: { method: "GET", urlPath: `${settingOf(context, "base_path") ?? ""}/knowledge-base` },
    response: { status: 200, jsonBody: { status: true, data: [] } },
  };
}

/** @param {any[]} scenarios */
function scenariosCard(scenarios) {
  const rows = scenarios.map(({ name, state, possibleStates = [] }) => [name, state, possibleStates.join(", ")]);
  return h(
    "div",
    { class: "card" },
    table("Scenarios", [{ label: "Scenario" }, { label: "State" }, { label: "States" }], rows),
  );
}

function emptyCard() {
  return h(
    "div",
    { class: "card" },
    emptyState(
      "No stubs",
      h("p", {}, "A stub responds to requests of any route, also to those that are not mocked."),
      h("p", {}, "Add one here, or copy one from a request: Requests, a request, “Copy as”, “Stub”."),
    ),
  );
}
