/** The detail of one request: its request, its response, and why. */

/** @import { Context } from "./context.js" */
/** @import { Child } from "./dom.js" */
/** @import { Entry, ServeEvent } from "./journal.js" */
import { ApiError } from "./api.js";
import { decodeBase64, decodeText, parseCsv, parseMultipart, prettyJson } from "./body.js";
import { hashOf, settingOf } from "./context.js";
import { asCurl, asPattern, asPytest, asStub } from "./copy.js";
import { fill, h } from "./dom.js";
import { counted, formatBytes, formatDuration, formatTime } from "./format.js";
import { copyButton, copyable, emptyState, status, tabbed, table } from "./parts.js";
import { cutHint, findingList, shownAttempts, timeline } from "./retry-report.js";
import { describeRequest } from "./stubs.js";
import { causesOf } from "./why.js";

/** What is further away than this is not near. */
const MAX_DISTANCE = 0.35;

/** Shows one request, and loads it again when its response arrives. */
export class Detail {
  /**
   * @param {Context} context
   * @param {() => void} onclose
   */
  constructor(context, onclose) {
    this._context = context;
    this._onclose = onclose;
    /** @type {string | null} */
    this._id = null;
    /** @type {string | null | undefined} how the shown request ended; `undefined` if none is shown */
    this._shownEnd = undefined;
    this._tab = "exchange";
    this.element = h("section", { class: "detail", tabindex: -1, "aria-label": "Request detail" });
    this.element.append(this._hint());
  }

  /**
   * @param {string | null} id
   * @param {Entry | undefined} entry what the list knows of it
   */
  show(id, entry) {
    if (id !== null && id === this._id && entry === undefined) return; // the journal has dropped it
    const ended = entry?.ended ?? null;
    if (id === this._id && (id === null || (this._shownEnd !== undefined && ended === this._shownEnd))) return;
    if (id !== this._id) this.element.scrollTop = 0;
    this._id = id;
    this._shownEnd = id === null ? undefined : ended;
    if (id === null) {
      fill(this.element, this._hint());
      this.element.removeAttribute("aria-busy");
    } else {
      this._load(id);
    }
  }

  /** @param {string} id */
  async _load(id) {
    this.element.setAttribute("aria-busy", "true");
    try {
      const event = await this._context.api.get(`requests/${encodeURIComponent(id)}`);
      const causes = await causesOf(this._context, event);
      const misses = event.wasMatched ? [] : await this._nearMisses(id);
      const { retries } = this._context;
      const call = retries.callOf(id);
      if (id === this._id) fill(this.element, this._content(event, causes, misses));
      await retries.load(); // the report of a long journal takes a while
      if (id === this._id && retries.callOf(id)?.attempts.length !== call?.attempts.length) {
        fill(this.element, this._content(event, causes, misses));
      }
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (id === this._id) {
        fill(this.element, this._header(), emptyState("The request cannot be shown", h("p", {}, error.message)));
      }
    } finally {
      if (id === this._id) this.element.removeAttribute("aria-busy");
    }
  }

  /**
   * @param {string} id
   * @returns {Promise<any[]>}
   */
  async _nearMisses(id) {
    const { nearMisses } = await this._context.api.get("requests/unmatched/near-misses");
    return nearMisses.filter(
      (/** @type {any} */ miss) => miss.request.mockAtoms.id === id && miss.matchResult.distance <= MAX_DISTANCE,
    );
  }

  _hint() {
    return emptyState(
      "Select a request",
      h("p", {}, "Its request and response appear here, and why the mock responded so."),
    );
  }

  _header() {
    return h(
      "div",
      { class: "detail-actions" },
      h("button", { type: "button", class: "small", onclick: this._onclose }, "Close", h("kbd", {}, "Esc")),
    );
  }

  /**
   * @param {ServeEvent} event
   * @param {{kind: string, content: Child[]}[]} causes
   * @param {any[]} misses
   * @returns {Child[]}
   */
  _content(event, causes, misses) {
    const { request } = event;
    const own = request.mockAtoms;
    const call = this._context.retries.callOf(own.id);
    const findings =
      call?.findings.filter(
        ({ attempt }) => call.attempts[attempt - 1]?.id === own.id || call.attempts[attempt - 2]?.id === own.id,
      ) ?? [];
    const meta = [
      formatTime(request.loggedDate),
      own.durationMs === null ? "in flight" : formatDuration(own.durationMs),
      request.clientIp,
      request.protocol,
      own.tenant === "-" ? "unauthenticated" : own.tenant,
      own.testId && `test ${own.testId}`,
      `attempt ${own.attempt}`,
    ];
    const tabs = [
      { id: "exchange", label: "Request and response", render: () => exchange(event) },
      ...(call
        ? [
            {
              id: "call",
              label: `Call (${counted(call.attempts.length, "attempt")})`,
              render: () => callTab(call, own.id),
            },
          ]
        : []),
      { id: "timing", label: "Timing", render: () => timing(event) },
      { id: "copy", label: "Copy as", render: () => this._copyTab(event) },
    ];
    return [
      this._header(),
      h("h2", {}, status(own.status, own.ended), " ", h("span", { class: "mono" }, `${request.method} ${request.url}`)),
      h("p", { class: "meta" }, meta.filter(Boolean).join(" · ")),
      h(
        "div",
        {},
        causes.map(({ kind, content }) => h("div", { class: `why why-${kind}` }, h("strong", {}, "Why: "), content)),
      ),
      own.violations?.length ? violations(own.violations) : null,
      misses.length ? nearMisses(misses) : null,
      findings.length ? findingList(findings) : null,
      tabbed("Detail", tabs, this._tab, (id) => (this._tab = id)),
    ];
  }

  /** @param {ServeEvent} event */
  _copyTab(event) {
    const basePath = settingOf(this._context, "base_path") ?? "";
    /** @type {[string, string][]} */
    const forms = [
      ["curl", asCurl(event)],
      ["pytest assertion", asPytest(event, basePath)],
      ["WireMock pattern", asPattern(event)],
      ["Stub", asStub(event)],
    ];
    return forms.map(([label, text]) => h("section", {}, h("h3", {}, label), copyable(text)));
  }
}

/** @param {ServeEvent} event */
function exchange(event) {
  const { request, response } = event;
  const own = request.mockAtoms;
  const cut = own.bodySize > own.bodyCap ? `, the first ${formatBytes(own.bodyCap)} are kept` : "";
  const sent = h(
    "section",
    {},
    h("h3", {}, "Request"),
    queryTable(request.queryParams),
    headerList(request.headers),
    own.bodySize
      ? h("p", { class: "hint" }, formatBytes(own.bodySize) + cut + (own.bodyComplete ? "" : ", incomplete"))
      : null,
    body(request.headers, request.bodyAsBase64, request.body, !cut && own.bodyComplete),
  );
  const received = h("section", {}, h("h3", {}, "Response"));
  if (response) {
    received.append(headerList(response.headers));
    received.append(h("p", { class: "hint" }, formatBytes(own.bytesSent)));
    const content = body(response.headers, response.bodyAsBase64, response.body, true);
    if (content) received.append(content);
    else if (own.bytesSent) received.append(h("p", { class: "hint" }, "The journal does not have the body."));
  } else {
    received.append(h("p", { class: "hint" }, "No response so far."));
  }
  return h("div", { class: "exchange" }, sent, received);
}

/** @param {Record<string, {key: string, values: string[]}>} parameters */
function queryTable(parameters) {
  const rows = Object.values(parameters).flatMap(({ key, values }) => values.map((value) => [key, value]));
  return rows.length
    ? h(
        "dl",
        { class: "headers" },
        rows.flatMap(([key, value]) => [h("dt", {}, `?${key}`), h("dd", {}, value)]),
      )
    : null;
}

/** @param {Record<string, string | string[]>} headers */
function headerList(headers) {
  const rows = Object.entries(headers).flatMap(([name, values]) => [values].flat().map((value) => [name, value]));
  return h(
    "dl",
    { class: "headers" },
    rows.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]),
  );
}

/**
 * @param {Record<string, string | string[]>} headers
 * @param {string} base64
 * @param {string} recorded
 * @param {boolean} isComplete
 * @returns {HTMLElement | null}
 */
function body(headers, base64, recorded, isComplete) {
  if (!base64) return recorded ? h("pre", { class: "code", tabindex: 0 }, prettyJson(recorded)) : null;
  const contentType = String(headers["content-type"] ?? "");
  const bytes = decodeBase64(base64);
  const text = decodeText(bytes, isComplete);
  if (text === null) return h("p", { class: "hint" }, `${formatBytes(bytes.length)} that are not text`);
  const parts = parseMultipart(contentType, text);
  if (parts.length) return h("div", {}, parts.map(formPart));
  if (/^text\/csv/i.test(contentType)) return csvTable(text);
  return h(
    "div",
    { class: "copyable" },
    h("pre", { class: "code", tabindex: 0 }, prettyJson(text)),
    copyButton(() => text),
  );
}

/** @param {{name: string, filename: string | null, text: string}} part */
function formPart({ name, filename, text }) {
  if (filename === null) return h("dl", { class: "headers" }, h("dt", {}, name), h("dd", {}, text));
  return h("div", {}, h("p", { class: "hint" }, `${name}: ${filename}`), csvTable(text));
}

/** @param {string} text */
function csvTable(text) {
  const { rows, isCut } = parseCsv(text);
  const [head = [], ...rest] = rows;
  return h(
    "div",
    {},
    table(
      "CSV file",
      head.map((label) => ({ label })),
      rest,
    ),
    h("p", { class: "hint" }, isCut ? `the first ${counted(rest.length, "row")}` : counted(rest.length, "row")),
  );
}

/**
 * @param {import("./retry-report.js").Call} call
 * @param {string} id
 */
function callTab(call, id) {
  return h(
    "div",
    {},
    h("p", {}, `The call ${call.outcome}`, call.ambiguous && " (ambiguous: similar requests ran in parallel)", "."),
    timeline(call),
    cutHint(call),
    findingList(call.findings),
    h(
      "ol",
      { class: "attempts" },
      shownAttempts(call).map((attempt) =>
        h(
          "li",
          {},
          status(attempt.status, attempt.ended),
          attempt.gapMs !== null && ` after ${formatDuration(attempt.gapMs)}`,
          " ",
          attempt.id === id
            ? "this request"
            : h("a", { href: hashOf({ view: "requests", params: { id: attempt.id } }) }, "show"),
        ),
      ),
    ),
  );
}

/** @param {ServeEvent} event */
function timing(event) {
  if (!event.timing) return h("p", { class: "hint" }, "No response so far.");
  const { addedDelay, processTime, responseSendTime, totalTime } = event.timing;
  /** @type {[string, number][]} */
  const rows = [
    ["Delay added by a fault", addedDelay],
    ["Processing", processTime],
    ["Sending the response", responseSendTime],
    ["Total", totalTime],
  ];
  const own = event.request.mockAtoms;
  return h(
    "div",
    {},
    table(
      "Timing",
      [{ label: "Phase" }, { label: "ms", isNumber: true }],
      rows.map(([label, ms]) => [label, String(ms)]),
    ),
    own.durationMs !== null && h("p", { class: "hint" }, `Measured duration: ${own.durationMs} ms`),
  );
}

/** @param {any[]} misses */
function nearMisses(misses) {
  return h(
    "div",
    { class: "why why-warn" },
    misses.map((miss) => {
      const differences = miss.request.mockAtoms.differences ?? [];
      return h(
        "div",
        {},
        h("strong", {}, miss.stubMapping ? "Nearest stub: " : "Nearest operation: "),
        h("code", {}, describeRequest(miss.requestPattern)),
        differences.length > 0 &&
          h(
            "ul",
            {},
            differences.map((/** @type {any} */ { field, expected, actual }) =>
              h("li", {}, `${field}: expected ${expected}, but was ${actual ?? "absent"}`),
            ),
          ),
      );
    }),
  );
}

/** @param {any[]} found */
function violations(found) {
  return h(
    "div",
    { class: "why why-warn" },
    h("strong", {}, `${counted(found.length, "contract violation")}: `),
    h(
      "ul",
      {},
      found.map(({ kind, place, value, expected, source }) =>
        h(
          "li",
          {},
          h("code", {}, kind),
          ` at ${place || "the body"}: `,
          value !== null && [h("code", {}, value), ". "],
          `${expected} (${source})`,
        ),
      ),
    ),
  );
}
