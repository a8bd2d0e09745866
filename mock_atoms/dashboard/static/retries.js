/** The view of retries: each call as a timeline, with what the client did wrong. */

/** @import { Context, View } from "./context.js" */
/** @import { Call } from "./retry-report.js" */
import { ApiError } from "./api.js";
import { baseUrl, hashOf } from "./context.js";
import { fill, h } from "./dom.js";
import { counted } from "./format.js";
import { badge, copyable, emptyState } from "./parts.js";
import { cutHint, findingList, timeline } from "./retry-report.js";

const PAGE = 50;

/**
 * @param {Context} context
 * @returns {View}
 */
export function retriesView(context) {
  /** @type {Record<string, string>} */
  let params = {};
  let shown = PAGE;
  /** @type {unknown} */
  let renderedReport;
  let renderedChoice = "";
  const summary = h("p", { class: "summary", role: "status" });
  const list = h("div", { class: "cards" });
  const choice = h(
    "select",
    {
      "aria-label": "Which calls",
      onchange: () => context.go({ view: "retries", params: { show: choice.value } }, { replace: true }),
    },
    h("option", { value: "" }, "Calls with retries or findings"),
    h("option", { value: "findings" }, "Calls with findings"),
    h("option", { value: "all" }, "All calls"),
  );
  const element = h(
    "section",
    { class: "view scroll", "aria-label": "Retries" },
    h("div", { class: "view-head" }, h("h1", {}, "Retries"), choice),
    summary,
    list,
  );

  async function load() {
    try {
      await context.retries.load();
      render();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(summary, error.message);
    }
  }

  function render() {
    const { report } = context.retries;
    const choices = `${shown} ${params.show}`;
    if (renderedReport === report && renderedChoice === choices) return; // a new button would lose the focus
    [renderedReport, renderedChoice] = [report, choices];
    const calls = report.calls.filter(isShown).reverse();
    const { summary: totals, unattributed } = report;
    const ignored = unattributed ? `; ${counted(unattributed, "request")} without a token or a known route` : "";
    fill(
      summary,
      `${counted(totals.calls, "call")}, ${counted(totals.attempts, "attempt")}, ${counted(totals.findings, "finding")}${ignored}`,
    );
    fill(
      list,
      calls.slice(0, shown).map(card),
      calls.length > shown &&
        h(
          "button",
          { type: "button", onclick: () => ((shown += PAGE), render()) },
          `Show ${PAGE} more of ${calls.length}`,
        ),
      !calls.length && nothing(totals.calls),
    );
  }

  /** @param {Call} call */
  function isShown(call) {
    if (params.show === "all") return true;
    return call.findings.length > 0 || (params.show !== "findings" && call.attempts.length > 1);
  }

  /** @param {number} calls */
  function nothing(calls) {
    if (calls) {
      return emptyState(
        "No call to show",
        h("p", {}, `${counted(calls, "call")} needed no retry. Choose “All calls” to see them.`),
      );
    }
    return emptyState(
      "No calls yet",
      h("p", {}, "A call is a first request and its retries. To see how your client retries, give it this key:"),
      copyable("sk_mock_503x2.me"),
      h("p", {}, "or send this twice:"),
      copyable(`curl -H 'Authorization: Bearer sk_mock_429x1.me' ${baseUrl(context)}/audience`),
    );
  }

  return {
    element,
    show(newParams) {
      params = newParams;
      choice.value = params.show ?? "";
      shown = PAGE;
      renderedReport = undefined;
      load();
    },
    refresh: load,
  };
}

/** @param {Call} call */
function outcome({ outcome: text, attempts }) {
  return `${text} after ${counted(attempts.length, "attempt")}`;
}

/** @param {Call} call */
function card(call) {
  const first = call.attempts[0];
  const test = call.testId === null ? "" : ` · ${call.testId}`;
  const kind = call.findings.length ? "bad" : /succeeded|recovered/.test(call.outcome) ? "ok" : "warn";
  return h(
    "article",
    { class: "card" },
    h(
      "h2",
      { class: "card-title" },
      h(
        "a",
        { class: "mono", href: hashOf({ view: "requests", params: { id: first?.id ?? "" } }) },
        `${call.method} ${call.url}`,
      ),
      " ",
      h("span", { class: "dim" }, `${call.tenant}${test} · ${outcome(call)}`),
      " ",
      badge(kind, call.findings.length ? counted(call.findings.length, "finding") : call.outcome),
      call.ambiguous && badge("warn", "ambiguous", "Similar requests ran in parallel, so this call has no findings."),
    ),
    timeline(call),
    cutHint(call),
    findingList(call.findings),
  );
}
