/** The view of contract violations: what clients sent that the API does not document. */

/** @import { Context, View } from "./context.js" */
import { ApiError } from "./api.js";
import { hashOf } from "./context.js";
import { fill, h } from "./dom.js";
import { counted, formatNumber } from "./format.js";
import { noRequests } from "./no-requests.js";
import { emptyState, table } from "./parts.js";

/** @typedef {{kind: string, operation: string, place: string, expected: string, source: string, count: number, firstRequestId: string, lastRequestId: string, examples: string[]}} Violation */

/**
 * @param {Context} context
 * @returns {View}
 */
export function violationsView(context) {
  const content = h("div", { class: "cards" });
  const summary = h("p", { class: "summary", role: "status" });
  const element = h(
    "section",
    { class: "view scroll", "aria-label": "Violations" },
    h("div", { class: "view-head" }, h("h1", {}, "Contract violations")),
    summary,
    content,
  );
  let rendered = "";

  async function load() {
    try {
      const report = await context.api.get("violations");
      const isEmpty = context.journal.entries.length === 0;
      const text = JSON.stringify([report, isEmpty, context.settings.length]);
      if (text === rendered) return;
      rendered = text;
      const { violations, requests } = report.summary;
      fill(summary, `${counted(violations, "violation")} in ${counted(requests, "request")}`);
      if (violations) fill(content, card(report.violations));
      else fill(content, isEmpty ? noRequests(context) : nothing());
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      fill(summary, error.message);
    }
  }
  return { element, show: load, refresh: load };
}

/** @param {Violation[]} violations */
function card(violations) {
  const rows = violations.map((violation) => [
    h("code", {}, violation.kind),
    h("span", { class: "mono" }, violation.operation),
    h(
      "div",
      {},
      h("code", {}, violation.place || "the body"),
      h("div", { class: "dim small-text mono" }, violation.examples.join(", ")),
    ),
    `${violation.expected} (${violation.source})`,
    formatNumber(violation.count),
    [requestLink(violation.firstRequestId, "first"), " ", requestLink(violation.lastRequestId, "last")],
  ]);
  const columns = [
    ...[{ label: "Kind" }, { label: "Operation" }, { label: "Place and values" }, { label: "The contract says" }],
    ...[{ label: "Count", isNumber: true }, { label: "Requests" }],
  ];
  return h("div", { class: "card" }, table("Contract violations", columns, rows));
}

/**
 * @param {string} id
 * @param {string} label
 */
function requestLink(id, label) {
  return h("a", { href: hashOf({ view: "requests", params: { filter: "violation:*", id } }) }, label);
}

function nothing() {
  return emptyState(
    "No violations",
    h(
      "p",
      {},
      "Everything that clients sent is documented. An unknown query parameter or a wrong type would appear here.",
    ),
  );
}
