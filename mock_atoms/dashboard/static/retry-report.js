/** The retry report, as the page knows it, and its drawing. */

/** @import { Api } from "./api.js" */
/** @import { Journal } from "./journal.js" */
import { h, svg } from "./dom.js";
import { counted, formatDuration, statusBadge } from "./format.js";

/** @typedef {{number: number, id: string, time: string, status: number | null, ended: string | null, malformedBody: boolean, faults: string[], durationMs: number | null, gapMs: number | null, retryAfterMs: number | null, retryAfterHonoured: boolean | null}} Attempt */
/** @typedef {{kind: string, attempt: number, detail: string}} Finding */
/** @typedef {{tenant: string, testId: string | null, method: string, url: string, outcome: string, ambiguous: boolean, attempts: Attempt[], findings: Finding[]}} Call */

const EMPTY = { calls: /** @type {Call[]} */ ([]), summary: { calls: 0, attempts: 0, findings: 0 }, unattributed: 0 };
/** A client that retries without end makes one call of the complete journal. */
const MAX_ATTEMPTS = 100;
const MAX_FINDINGS = 20;
const WIDTH = 900;
const CHARACTER = 7; // width of a character of a label
const [LEFT, RIGHT, MIDDLE, RADIUS, MIN_GAP] = [24, 40, 36, 8, 24];

/** A copy of the server's retry report. It is loaded again when the journal has changed. */
export class Retries {
  /**
   * @param {Api} api
   * @param {Journal} journal
   */
  constructor(api, journal) {
    this._api = api;
    this._isStale = true;
    this.report = EMPTY;
    /** @type {() => void} */
    this.onchange = () => {};
    journal.onchange(() => (this._isStale = true));
  }

  async load() {
    if (!this._isStale) return;
    this._isStale = false;
    try {
      this.report = await this._api.get("retries", { timeoutMs: "0" });
    } catch (error) {
      this._isStale = true;
      throw error;
    }
    this.onchange();
  }

  /**
   * @param {string} id
   * @returns {Call | undefined} the call with this request
   */
  callOf(id) {
    return this.report.calls.find(({ attempts }) => attempts.some((attempt) => attempt.id === id));
  }
}

/**
 * Return the attempts of a call that are shown: the first ones.
 * @param {Call} call
 * @returns {Attempt[]}
 */
export const shownAttempts = ({ attempts }) => attempts.slice(0, MAX_ATTEMPTS);

/**
 * Return a hint about attempts that are not shown, or nothing.
 * @param {Call} call
 * @returns {HTMLElement | null}
 */
export function cutHint({ attempts }) {
  if (attempts.length <= MAX_ATTEMPTS) return null;
  return h("p", { class: "hint" }, `The first ${MAX_ATTEMPTS} of ${counted(attempts.length, "attempt")}`);
}

/**
 * Return the first attempts of a call as a timeline to scale, in a box that scrolls.
 * A gap too short to see is widened, and a label without room is left out.
 * @param {Call} call
 * @returns {HTMLElement}
 */
export function timeline(call) {
  const attempts = shownAttempts(call);
  const start = Date.parse(attempts[0]?.time ?? "");
  const times = attempts.map(({ time }) => Date.parse(time) - start);
  const ends = attempts.map(({ durationMs }, index) => (times[index] ?? 0) + (durationMs ?? 0));
  const asked = attempts.map(({ retryAfterMs }, index) =>
    retryAfterMs === null ? null : (ends[index] ?? 0) + retryAfterMs,
  );
  const span = Math.max(1, ...ends, ...asked.filter((time) => time !== null));
  const scale = (WIDTH - LEFT - RIGHT) / span;
  /** @param {number} ms */
  const linear = (ms) => LEFT + ms * scale;
  /** @type {number[]} */
  const positions = [];
  times.forEach((ms, index) => positions.push(Math.max(linear(ms), (positions[index - 1] ?? -Infinity) + MIN_GAP)));
  const hasRoom = labelRow();
  const gaps = attempts.map(({ gapMs }, index) => {
    const label = gapMs === null ? "" : `+${formatDuration(gapMs)}`;
    const from = (positions[index] ?? LEFT) - widthOf(label) / 2;
    return label !== "" && hasRoom(from, from + widthOf(label)) && label;
  });
  const shapes = attempts.flatMap((attempt, index) => {
    const x = positions[index] ?? LEFT;
    const until = asked[index];
    const wait = until === null || until === undefined ? null : Math.max(linear(until), x + RADIUS);
    const { text, kind } = statusBadge(attempt.status, attempt.ended);
    const gap = gaps[index] ?? false;
    const wish = `Retry-After asked to wait until here: ${formatDuration(attempt.retryAfterMs ?? 0)}`;
    const end = Math.max(linear(ends[index] ?? 0), x);
    return [
      wait !== null &&
        svg(
          "rect",
          { class: "wait", x, y: MIDDLE - 6, width: wait - x, height: 12, rx: 6 },
          svg("title", {}, "Retry-After"),
        ),
      wait !== null &&
        wait - widthOf(wish) > x &&
        hasRoom(wait - widthOf(wish), wait) &&
        svg("text", { class: "asked", x: wait, y: MIDDLE + 28, "text-anchor": "end" }, wish),
      svg("line", { class: `duration fill-${kind}`, x1: x, x2: end, y1: MIDDLE, y2: MIDDLE }),
      svg(
        "circle",
        { class: `attempt fill-${kind}`, cx: x, cy: MIDDLE, r: RADIUS },
        svg("title", {}, `attempt ${attempt.number}: ${text}, ${formatDuration(attempt.durationMs ?? 0)}`),
      ),
      svg("text", { x, y: 16, "text-anchor": "middle" }, text),
      gap && svg("text", { class: "gap", x, y: MIDDLE + 28, "text-anchor": "middle" }, gap),
    ];
  });
  const width = Math.max(WIDTH, (positions.at(-1) ?? 0) + RIGHT);
  const drawing = svg(
    "svg",
    { class: "timeline", viewBox: `0 0 ${width} 74`, role: "img", "aria-label": describeCall(call) },
    svg("line", { class: "axis", x1: LEFT, x2: width - RIGHT, y1: MIDDLE, y2: MIDDLE }),
    shapes,
  );
  return h("div", { class: "timeline-scroll", tabindex: 0, role: "region", "aria-label": "Timeline" }, drawing);
}

/** @param {string} label */
const widthOf = (label) => label.length * CHARACTER;

/**
 * @returns {(from: number, to: number) => boolean} takes the room of a label, or returns that another one has it
 */
function labelRow() {
  /** @type {[number, number][]} */
  const taken = [];
  return (from, to) => {
    if (taken.some(([start, end]) => from < end + CHARACTER && to > start - CHARACTER)) return false;
    taken.push([from, to]);
    return true;
  };
}

/**
 * @param {Call} call
 * @returns {string}
 */
function describeCall(call) {
  const parts = shownAttempts(call).map(({ status, ended, gapMs, retryAfterMs }) => {
    const after = gapMs === null ? "" : `after ${formatDuration(gapMs)}: `;
    const asked = retryAfterMs === null ? "" : `, Retry-After asked for ${formatDuration(retryAfterMs)}`;
    return `${after}${statusBadge(status, ended).text}${asked}`;
  });
  return `${counted(call.attempts.length, "attempt")}: ${parts.join("; ")}`;
}

/**
 * Return a text whose parts in backticks are code.
 * @param {string} text
 */
const withCode = (text) => text.split("`").map((part, index) => (index % 2 ? h("code", {}, part) : part));

/**
 * @param {Finding[]} findings
 * @returns {HTMLElement}
 */
export function findingList(findings) {
  return h(
    "ul",
    { class: "findings" },
    findings
      .slice(0, MAX_FINDINGS)
      .map(({ kind, attempt, detail }) =>
        h(
          "li",
          {},
          h("strong", {}, `Attempt ${attempt}: `),
          withCode(detail),
          " ",
          h("a", { href: `#/help?topic=${kind}` }, kind),
        ),
      ),
    findings.length > MAX_FINDINGS &&
      h("li", {}, `The first ${MAX_FINDINGS} of ${counted(findings.length, "finding")}`),
  );
}
