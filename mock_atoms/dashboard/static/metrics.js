/** The view of metrics: requests a second, statuses and latency of the requests in the journal. */

/** @import { Context, View } from "./context.js" */
/** @import { Entry } from "./journal.js" */
import { hashOf } from "./context.js";
import { fill, h, svg } from "./dom.js";
import { counted, formatDuration, formatNumber } from "./format.js";
import { emptyState, table } from "./parts.js";

const SECONDS = 120;
const [WIDTH, HEIGHT] = [600, 120];
const CLASSES = /** @type {[string, string, (entry: Entry) => boolean][]} */ ([
  ["2xx", "ok", ({ status }) => status !== null && status < 300],
  ["3xx", "info", ({ status }) => status !== null && status >= 300 && status < 400],
  ["4xx", "warn", ({ status }) => status !== null && status >= 400 && status < 500],
  ["5xx", "bad", ({ status }) => status !== null && status >= 500],
  ["none", "wait", ({ status }) => status === null],
]);

/**
 * @param {Context} context
 * @returns {View}
 */
export function metricsView(context) {
  const content = h("div", { class: "cards" });
  const element = h(
    "section",
    { class: "view scroll", "aria-label": "Metrics" },
    h("div", { class: "view-head" }, h("h1", {}, "Metrics")),
    h(
      "p",
      { class: "dim" },
      "Of the requests in the journal. Prometheus reads all since the start at ",
      h("code", {}, "/__admin/metrics"),
      ".",
    ),
    content,
  );

  function render() {
    const { entries } = context.journal;
    if (!entries.length) {
      fill(content, emptyState("No requests yet", h("p", {}, "The charts fill as your client sends requests.")));
      return;
    }
    const end = Math.floor(Date.now() / 1000) + 1;
    const recent = entries.filter(({ time }) => time >= (end - SECONDS) * 1000);
    fill(
      content,
      h("div", { class: "charts" }, rateCard(recent, end), statusCard(entries), latencyCard(recent, end)),
      operationCard(entries),
    );
  }
  return { element, show: render, refresh: render };
}

/**
 * @param {Entry[]} entries
 * @param {number} end
 */
function rateCard(entries, end) {
  const counts = perSecond(entries, end).map((group) => CLASSES.map(([, , isOf]) => group.filter(isOf).length));
  const totals = counts.map((classes) => classes.reduce((sum, count) => sum + count, 0));
  const max = Math.max(1, ...totals);
  const width = WIDTH / SECONDS;
  const bars = counts.flatMap((classes, second) => {
    let top = HEIGHT;
    return classes.map((count, index) => {
      const height = (count / max) * HEIGHT;
      top -= height;
      const kind = CLASSES[index]?.[1] ?? "ok";
      return count > 0 && svg("rect", { class: `fill-${kind}`, x: second * width, y: top, width: width - 1, height });
    });
  });
  const last = totals.at(-2) ?? 0;
  return chartCard("Requests a second", `${last} in the last second, at most ${max}`, bars);
}

/** @param {Entry[]} entries */
function statusCard(entries) {
  const rows = CLASSES.map(([label, kind, isOf]) => ({ label, kind, count: entries.filter(isOf).length })).filter(
    ({ count }) => count,
  );
  return h(
    "div",
    { class: "card" },
    h("h2", { class: "card-title" }, "Statuses"),
    rows.map(({ label, kind, count }) =>
      h(
        "a",
        { class: "meter", href: hashOf({ view: "requests", params: { filter: `status:${label}` } }) },
        h("span", { class: "mono" }, label),
        svg(
          "svg",
          { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" },
          svg("rect", { class: `fill-${kind}`, width: Math.max(1, (100 * count) / entries.length), height: 8 }),
        ),
        h("span", { class: "number" }, formatNumber(count)),
      ),
    ),
  );
}

/**
 * @param {Entry[]} entries
 * @param {number} end
 */
function latencyCard(entries, end) {
  const groups = perSecond(entries, end).map((group) => durations(group));
  const all = durations(entries);
  const max = Math.max(1, ...groups.map((group) => quantile(group, 0.95)));
  const width = WIDTH / SECONDS;
  const points = groups.flatMap((group, second) =>
    group.length
      ? [
          svg("line", {
            class: "fill-info duration",
            x1: (second + 0.5) * width,
            x2: (second + 0.5) * width,
            y1: HEIGHT - (quantile(group, 0.95) / max) * HEIGHT,
            y2: HEIGHT,
          }),
          svg("circle", {
            class: "fill-ok",
            cx: (second + 0.5) * width,
            cy: HEIGHT - (quantile(group, 0.5) / max) * (HEIGHT - 3),
            r: 2.5,
          }),
        ]
      : [],
  );
  const text = all.length
    ? `median ${formatDuration(quantile(all, 0.5))}, 95 % within ${formatDuration(quantile(all, 0.95))}, slowest ${formatDuration(quantile(all, 1))}`
    : "no response in this time";
  return chartCard("Latency", text, points);
}

/** @param {Entry[]} entries */
function operationCard(entries) {
  const groups = [
    ...Map.groupBy(entries, ({ method, path }) => `${method} ${path.replace(/\/[0-9a-f]{24}\b/gi, "/{id}")}`),
  ];
  groups.sort(([, one], [, other]) => other.length - one.length);
  const rows = groups.slice(0, 50).map(([operation, group]) => {
    const times = durations(group);
    const failed = group.filter(({ status }) => status === null || status >= 400).length;
    return [
      h("span", { class: "mono" }, operation),
      formatNumber(group.length),
      formatNumber(failed),
      times.length ? formatDuration(quantile(times, 0.5)) : "",
      times.length ? formatDuration(quantile(times, 0.95)) : "",
    ];
  });
  const columns = ["Operation", "Requests", "Failed", "Median", "95 %"].map((label, index) => ({
    label,
    isNumber: index > 0,
  }));
  return h(
    "div",
    { class: "card" },
    h("h2", { class: "card-title" }, counted(groups.length, "operation")),
    table("Operations", columns, rows),
  );
}

/**
 * @param {string} title
 * @param {string} summary
 * @param {(Node | false)[]} shapes
 */
function chartCard(title, summary, shapes) {
  return h(
    "div",
    { class: "card" },
    h("h2", { class: "card-title" }, title),
    svg(
      "svg",
      {
        class: "chart",
        viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
        preserveAspectRatio: "none",
        role: "img",
        "aria-label": `${title}: ${summary}`,
      },
      shapes,
    ),
    h("p", { class: "hint" }, `Last two minutes: ${summary}`),
  );
}

/**
 * @param {Entry[]} entries
 * @param {number} end
 * @returns {Entry[][]} the entries of each second
 */
function perSecond(entries, end) {
  /** @type {Entry[][]} */
  const groups = Array.from({ length: SECONDS }, () => []);
  for (const entry of entries) groups[Math.floor(entry.time / 1000) - (end - SECONDS)]?.push(entry);
  return groups;
}

/**
 * @param {Entry[]} entries
 * @returns {number[]} sorted
 */
function durations(entries) {
  return entries
    .flatMap(({ durationMs }) => (durationMs === null ? [] : [durationMs]))
    .sort((one, other) => one - other);
}

/**
 * @param {number[]} sorted
 * @param {number} share
 * @returns {number}
 */
function quantile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}
