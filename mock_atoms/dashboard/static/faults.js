/** The view of fault rules: compose one with an immediate explanation, list and remove them. */

/** @import { Context, View } from "./context.js" */
/** @import { Rule } from "./explain.js" */
import { ApiError } from "./api.js";
import { settingOf } from "./context.js";
import { debounced, fill, h } from "./dom.js";
import { describeMatch, explainRule, expressionOf } from "./explain.js";
import { formatNumber } from "./format.js";
import { badge, emptyState, field, table } from "./parts.js";
import { loadTenants, resolveToken } from "./tenant-list.js";

/** The ten usual error paths. */
const PRESETS = /** @type {[string, string][]} */ ([
  ["two 500s", "500x2"],
  ["rate limit", "429x1+retry1"],
  ["10 requests a second", "limit10"],
  ["unavailable", "503x1+retry2"],
  ["slow", "delay2000"],
  ["timeout", "hangx1"],
  ["dropped connection", "resetx1"],
  ["broken JSON", "badjsonx1"],
  ["gateway page", "htmlx1"],
  ["10 % errors", "500p10"],
]);

/**
 * @param {Context} context
 * @returns {View}
 */
export function faultsView(context) {
  const explanation = h("p", { class: "explanation", id: "explanation", role: "status" });
  const checkSoon = debounced(check, 150);
  const expression = h("input", {
    type: "text",
    id: "fault-expression",
    value: "delay250+500x2",
    spellcheck: "false",
    autocomplete: "off",
    "aria-describedby": "explanation",
    oninput: checkSoon,
  });
  const tenants = h("datalist", { id: "known-tenants" });
  const token = h("input", {
    type: "text",
    placeholder: "any tenant",
    list: "known-tenants",
    autocomplete: "off",
    spellcheck: "false",
    oninput: checkSoon,
  });
  const testId = h("input", {
    type: "text",
    placeholder: "any test",
    autocomplete: "off",
    spellcheck: "false",
    oninput: checkSoon,
  });
  const operation = h("select", { onchange: checkSoon }, h("option", { value: "" }, "any operation"));
  const name = h("input", {
    type: "text",
    placeholder: "such as: the list is flaky",
    maxlength: 200,
    autocomplete: "off",
  });
  const add = h("button", { type: "submit", class: "primary" }, "Add fault");
  const list = h("div");
  const form = h(
    "form",
    { class: "card", onsubmit: create, "aria-label": "New fault" },
    field("Expression", expression),
    explanation,
    h(
      "div",
      { class: "fields" },
      field("Tenant", token),
      field("Test", testId),
      field("Operation", operation),
      field("Name", name),
    ),
    add,
    tenants,
    h(
      "div",
      { class: "presets", role: "group", "aria-label": "Presets" },
      h("span", { class: "dim" }, "Presets:"),
      PRESETS.map(([label, text]) =>
        h("button", { type: "button", class: "chip", title: text, onclick: () => preset(text) }, label),
      ),
    ),
  );
  const element = h(
    "section",
    { class: "view scroll", "aria-label": "Faults" },
    h("div", { class: "view-head" }, h("h1", {}, "Faults")),
    h("div", { class: "two" }, form, list),
  );

  /** @param {string} text */
  function preset(text) {
    expression.value = text;
    check();
    expression.focus();
  }

  async function composed() {
    const match = token.value.trim() ? await resolveToken(context, token.value.trim()) : {};
    const [method, path] = operation.value.split(" ", 2);
    /** @type {Record<string, unknown>} */
    const fault = { fault: expression.value.trim(), match: { ...match } };
    if (testId.value.trim()) Object.assign(/** @type {object} */ (fault.match), { testId: testId.value.trim() });
    if (method && path) Object.assign(/** @type {object} */ (fault.match), { method, path });
    if (name.value.trim()) fault.name = name.value.trim();
    return fault;
  }

  let turn = 0;
  async function check() {
    const own = ++turn;
    try {
      const rule = await context.rules.check(await composed());
      if (own !== turn) return;
      explanation.className = "explanation";
      fill(explanation, explainRule(rule));
      expression.removeAttribute("aria-invalid");
      add.disabled = false;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (own !== turn) return;
      explanation.className = "explanation error";
      fill(explanation, error.message);
      expression.setAttribute("aria-invalid", String(error.pointer === "/fault"));
      add.disabled = true;
    }
  }

  /** @param {SubmitEvent} event */
  async function create(event) {
    event.preventDefault();
    try {
      const rule = await context.rules.create(await composed());
      await load();
      context.notify(`Added ${rule.id}. ${explainRule(rule)}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      context.notify(error.message, true);
    }
  }

  /** @param {() => Promise<void>} change */
  async function changed(change) {
    try {
      await change();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      context.notify(error.message, true);
    }
  }

  let rendered = "";
  async function load() {
    await changed(() => context.rules.load());
    const { all } = context.rules;
    const content = JSON.stringify(all);
    if (content === rendered) return; // a new button would lose the focus
    rendered = content;
    fill(list, all.length ? rulesCard(all) : emptyCard());
  }

  /** @param {(Rule & {id: string})[]} rules */
  function rulesCard(rules) {
    const rows = rules.map((rule) => [
      h(
        "div",
        {},
        h("code", {}, expressionOf(rule)),
        " ",
        badge("fault", rule.name ?? rule.id, rule.id),
        " ",
        isUsedUp(rule) && badge("info", "used up", "It has triggered as often as it may."),
        h("div", { class: "dim small-text" }, explainRule(rule)),
      ),
      h("span", { class: "mono" }, describeMatch(rule.match)),
      formatNumber(rule.evaluated),
      formatNumber(rule.triggered),
      isPermanent(rule.id)
        ? h("span", { class: "dim" }, "from the settings")
        : h(
            "button",
            {
              type: "button",
              class: "small",
              "aria-label": `Remove ${rule.name ?? rule.id}`,
              onclick: () => changed(() => context.rules.remove(rule.id)).then(load),
            },
            "Remove",
          ),
    ]);
    const columns = [
      { label: "Fault" },
      { label: "For" },
      { label: "Evaluated", isNumber: true },
      { label: "Triggered", isNumber: true },
      { label: "" },
    ];
    return h(
      "div",
      { class: "card" },
      table("Active faults, in order of precedence", columns, rows),
      rules.some(({ id }) => !isPermanent(id)) &&
        h(
          "button",
          { type: "button", class: "small", onclick: () => changed(() => context.rules.removeAll()).then(load) },
          "Remove all",
        ),
    );
  }

  async function loadChoices() {
    try {
      const known = await loadTenants(context);
      fill(
        tenants,
        [...new Set(known.map((tenant) => tenant.token))].slice(0, 500).map((text) => h("option", { value: text })),
      );
      if (operation.options.length === 1) operation.append(...(await operations(context)));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
    }
  }

  return {
    element,
    show(params) {
      if (params.expression !== undefined) expression.value = params.expression;
      if (params.tenant !== undefined) token.value = params.tenant;
      if (params.test !== undefined) testId.value = params.test;
      load();
      loadChoices();
      check();
    },
    refresh: load,
  };
}

/**
 * @param {Context} context
 * @returns {Promise<HTMLOptionElement[]>} the documented operations
 */
async function operations(context) {
  const { paths } = await context.api.get("../openapi.json");
  const base = settingOf(context, "base_path") ?? "";
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => {
      const text = `${method.toUpperCase()} ${path.startsWith(`${base}/`) && base ? path.slice(base.length) : path}`;
      return h("option", { value: text }, text);
    }),
  );
}

/** @param {string} id */
const isPermanent = (id) => /^(fault-\d+|error-rate)$/.test(id);

/**
 * Return whether a rule can trigger no more. Counters are per tenant, so only a rule of one tenant is certain.
 * A reset of the tenant removes the rule, but a permanent one may trigger again.
 * @param {Rule & {id: string}} rule
 */
function isUsedUp({ id, match, when, triggered }) {
  return Boolean(match?.token && match.testId && when?.times && triggered >= when.times && !isPermanent(id));
}

function emptyCard() {
  return h(
    "div",
    { class: "card" },
    emptyState(
      "No active faults",
      h("p", {}, "Choose a preset or write an expression, and add it. The next matching requests fail."),
      h(
        "p",
        {},
        "A client can also ask for a fault itself, with a key such as ",
        h("code", {}, "sk_mock_500x2.me"),
        ".",
      ),
    ),
  );
}
