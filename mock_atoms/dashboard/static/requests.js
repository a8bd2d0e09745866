/** The view of requests: a live list with a filter, and the detail of one request. */

/** @import { Context, View } from "./context.js" */
/** @import { Entry } from "./journal.js" */
/** @import { Column } from "./grid.js" */
import { baseUrl, settingOf } from "./context.js";
import { Detail } from "./detail.js";
import { debounced, fill, h, onceAFrame } from "./dom.js";
import { expressionOf, magicWord } from "./explain.js";
import { openFailDialog } from "./fail-dialog.js";
import {
  asTenant,
  compileFilter,
  filterProblems,
  hasTerm,
  parseFilter,
  possibleToken,
  withoutTerm,
  withTerm,
} from "./filter.js";
import { formatBytes, formatMs, formatNumber, formatTime } from "./format.js";
import { Grid } from "./grid.js";
import { noRequests } from "./no-requests.js";
import { badge, emptyState, status } from "./parts.js";

const MAX_PROBLEMS = 5;
const QUICK_FILTERS = [
  { label: "Errors", key: "status", value: "4xx,5xx" },
  { label: "No response", key: "status", value: "none" },
  { label: "Faults", key: "fault", value: "*" },
  { label: "Retries", key: "attempt", value: ">1" },
  { label: "Violations", key: "violation", value: "*" },
  { label: "Unknown routes", key: "reason", value: "unmocked-route,outside-base-path" },
];

/**
 * @param {Context} context
 * @returns {View & {focusFilter: () => void, move: (step: number) => void, close: () => boolean}}
 */
export function requestsView(context) {
  const { journal } = context;
  /** @type {Record<string, string>} */
  let params = {};
  /** @type {Map<string, string>} masked forms of the tokens in the filter */
  const labels = new Map();
  let matches = compileFilter("");

  const filter = h("input", {
    type: "search",
    id: "filter",
    "aria-label": "Filter",
    "aria-describedby": "filter-count",
    placeholder: "Filter: status:5xx tenant:… path:/audience test:… fault:* or any text",
    autocomplete: "off",
    spellcheck: "false",
    oninput: debounced(() => {
      if (!element.isConnected) return; // the reader has left the view
      context.go({ view: "requests", params: { ...params, filter: filter.value } }, { replace: true });
    }, 120),
  });
  const count = h("span", { id: "filter-count", class: "count", role: "status" });
  const quick = h(
    "div",
    { class: "quick", role: "group", "aria-label": "Quick filters" },
    QUICK_FILTERS.map(({ label, key, value }) =>
      h("button", { type: "button", class: "chip", "aria-pressed": "false", onclick: () => toggle(key, value) }, label),
    ),
  );
  const empty = h("div", { class: "list-empty" });
  const grid = new Grid({
    label: "Requests, the newest first",
    columns: columns(context),
    onselect: (entry) => context.go({ view: "requests", params: { ...params, id: entry.id } }, { replace: true }),
    onopen: () => detail.element.focus(),
  });
  const detail = new Detail(context, () => close());
  const main = h("div", { class: "split" }, h("div", { class: "list" }, grid.element, empty), detail.element);
  const footer = h("footer", { class: "statusbar" });
  const element = h(
    "section",
    { class: "view view-requests", "aria-label": "Requests" },
    h(
      "div",
      { class: "bar" },
      h("div", { class: "search", role: "search" }, filter, count),
      h(
        "button",
        { type: "button", onclick: () => openFailDialog(context, filteredTenant()) },
        "Make the next requests fail…",
      ),
    ),
    quick,
    main,
    footer,
  );

  /**
   * @param {string} key
   * @param {string} value
   */
  function toggle(key, value) {
    const change = hasTerm(filter.value, key, value) ? withoutTerm : withTerm;
    context.go({ view: "requests", params: { ...params, filter: change(filter.value, key, value) } });
  }

  function filteredTenant() {
    const selected = grid.selected;
    const term = parseFilter(filter.value).find(
      ({ key, value, isNegated }) => key === "tenant" && !isNegated && !/[*,]/.test(value),
    );
    return { token: term?.value ?? selected?.tenant, testId: term ? undefined : (selected?.testId ?? undefined) };
  }

  /** Compile the filter. Tokens in it are masked by the server, because entries have only masked tokens. */
  function compile() {
    const text = params.filter ?? "";
    if (document.activeElement !== filter) filter.value = text;
    matches = compileFilter(text, (token) => labels.get(token) ?? token);
    for (const { key, value } of parseFilter(text)) {
      if (key !== "tenant") continue;
      for (const token of value.split(",")) mask(token);
    }
    QUICK_FILTERS.forEach(({ key, value }, index) => {
      quick.children[index]?.setAttribute("aria-pressed", String(hasTerm(text, key, value)));
    });
  }

  /** @param {string} token */
  async function mask(token) {
    if (!token || /[*…]/.test(token) || labels.has(token)) return;
    labels.set(token, token);
    try {
      const rule = await context.rules.check({ fault: "500", match: { token } });
      labels.set(token, rule.match.token);
      compile();
      render();
    } catch {
      labels.delete(token); // not a token: then it only matches as text
    }
  }

  function render() {
    if (!element.isConnected) return;
    const total = journal.entries.length;
    const shown = journal.entries.filter((entry) => matches(entry)).reverse();
    grid.setEntries(shown);
    fill(count, params.filter ? `${formatNumber(shown.length)} of ${formatNumber(total)}` : "");
    empty.hidden = shown.length > 0;
    if (!shown.length) fill(empty, total ? noMatch() : noRequests(context));
    fill(footer, footerTexts(context));
    const selected = params.id === undefined ? undefined : journal.byId.get(params.id);
    detail.show(params.id ?? null, selected);
  }

  function noMatch() {
    const text = params.filter ?? "";
    const problems = filterProblems(text).slice(0, MAX_PROBLEMS);
    const token = possibleToken(text);
    return emptyState(
      "No request matches the filter",
      ...problems.map(({ wrong, advice }) => h("p", {}, h("code", {}, wrong), ` ${advice}`)),
      problems.length > 0 && h("p", {}, h("a", { href: "#/help" }, "All terms of a filter")),
      h(
        "div",
        { class: "actions" },
        token !== undefined && filterButton(`Find tenant:${token}`, { ...params, filter: asTenant(text, token) }),
        filterButton("Clear the filter", {}),
      ),
    );
  }

  /**
   * @param {string} label
   * @param {Record<string, string>} target
   */
  function filterButton(label, target) {
    return h("button", { type: "button", onclick: () => context.go({ view: "requests", params: target }) }, label);
  }

  function close() {
    if (params.id === undefined) return false;
    const { id: _, ...rest } = params;
    context.go({ view: "requests", params: rest }, { replace: true });
    grid.element.focus();
    return true;
  }

  const renderSoon = onceAFrame(render);
  journal.onchange(renderSoon);

  return {
    element,
    show(newParams) {
      params = newParams;
      compile();
      element.classList.toggle("has-detail", params.id !== undefined);
      grid.select(params.id ?? null);
      render();
    },
    refresh: () => fill(footer, footerTexts(context)),
    focusFilter: () => filter.focus(),
    move(step) {
      grid.move(step);
      grid.element.focus();
    },
    close,
  };
}

/**
 * @param {Context} context
 * @returns {Column[]}
 */
function columns(context) {
  return [
    { name: "time", label: "Time", render: (entry) => [formatTime(entry.time)] },
    { name: "status", label: "Status", render: (entry) => [status(entry.status, entry.ended)] },
    { name: "method", label: "Method", render: (entry) => [entry.method] },
    { name: "path", label: "Path", render: (entry) => [shortUrl(entry, context)] },
    { name: "tenant", label: "Tenant · test", render: (entry) => [tenantOf(entry)] },
    { name: "marks", label: "Marks", render: (entry) => marks(entry, context) },
    { name: "ms", label: "ms", render: (entry) => [formatMs(entry.durationMs)] },
  ];
}

/**
 * @param {Entry} entry
 * @param {Context} context
 * @returns {string} the URL below the base path
 */
function shortUrl({ url }, context) {
  const base = settingOf(context, "base_path") ?? "";
  return base && url.startsWith(`${base}/`) ? url.slice(base.length) : url;
}

/** @param {Entry} entry */
function tenantOf({ tenant, testId }) {
  const token = tenant === "-" ? "unauthenticated" : tenant;
  return testId === null ? token : `${token} · ${testId}`;
}

/**
 * @param {Entry} entry
 * @param {Context} context
 * @returns {HTMLElement[]}
 */
function marks(entry, context) {
  const found = entry.faults.map((id) => badge("fault", faultName(id, entry, context), `fault ${id}`));
  if (entry.attempt > 1) found.push(badge("info", `attempt ${entry.attempt}`));
  if (entry.violations) found.push(badge("warn", `${entry.violations} violation${entry.violations === 1 ? "" : "s"}`));
  if (entry.reason !== null && !entry.reason.startsWith("connection-")) {
    found.push(badge(entry.reason === "stub" ? "ok" : "warn", entry.reason));
  }
  return found;
}

/**
 * @param {string} id
 * @param {Entry} entry
 * @param {Context} context
 * @returns {string} the name of the rule, the word of the magic key, or the id
 */
function faultName(id, { tenant }, context) {
  if (id === "key") return magicWord(tenant) ?? id;
  const rule = context.rules.byId(id);
  return rule ? (rule.name ?? expressionOf(rule)) : id;
}

/**
 * @param {Context} context
 * @returns {HTMLElement[]}
 */
function footerTexts(context) {
  const { journal } = context;
  const size = settingOf(context, "journal_size");
  const kept = formatNumber(journal.entries.length) + (size === undefined ? "" : ` of ${formatNumber(size)}`);
  return [
    h("span", {}, size === 0 ? "The journal is off" : `${kept} kept · ${formatNumber(journal.dropped)} dropped`),
    h("span", {}, `Bodies up to ${formatBytes(settingOf(context, "journal_body") ?? 0)}`),
    h("span", { class: "grow" }),
    h("span", {}, `seed ${settingOf(context, "seed") ?? "…"} · base URL `, h("code", {}, baseUrl(context))),
  ];
}
