/** Numbers, times and statuses as text. */

const NUMBER = new Intl.NumberFormat("en");

/**
 * @param {number} value
 * @returns {string}
 */
export const formatNumber = (value) => NUMBER.format(value);

/**
 * Return `1 call`, `2 calls`.
 * @param {number} count
 * @param {string} noun
 * @param {string} [plural]
 * @returns {string}
 */
export const counted = (count, noun, plural = `${noun}s`) => `${formatNumber(count)} ${count === 1 ? noun : plural}`;

/**
 * Return the local wall clock time with milliseconds.
 * @param {number} timestamp
 * @returns {string}
 */
export function formatTime(timestamp) {
  const date = new Date(timestamp);
  /** @type {(value: number, digits?: number) => string} */
  const padded = (value, digits = 2) => String(value).padStart(digits, "0");
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map((value) => padded(value)).join(":");
  return `${time}.${padded(date.getMilliseconds(), 3)}`;
}

/**
 * Return milliseconds in a column: `0.4`, `251`.
 * @param {number | null} ms
 * @returns {string}
 */
export const formatMs = (ms) => (ms === null ? "…" : ms < 10 ? ms.toFixed(1) : formatNumber(Math.round(ms)));

/**
 * Return a duration with its unit: `7 ms`, `1.5 s`, `2 min`.
 * @param {number} ms
 * @returns {string}
 */
export function formatDuration(ms) {
  if (ms < 1000) return `${ms < 10 ? Number(ms.toFixed(1)) : Math.round(ms)} ms`;
  if (ms < 120_000) return `${Number((ms / 1000).toFixed(1))} s`;
  return `${Number((ms / 60_000).toFixed(1))} min`;
}

/**
 * @param {number} bytes
 * @returns {string}
 */
export function formatBytes(bytes) {
  if (bytes < 1024) return counted(bytes, "byte");
  if (bytes < 1024 * 1024) return `${Number((bytes / 1024).toFixed(1))} KiB`;
  return `${Number((bytes / 1024 / 1024).toFixed(1))} MiB`;
}

const ENDED = /** @type {Record<string, string>} */ ({
  reset: "RST",
  close: "FIN",
  hang: "HANG",
  truncate: "CUT",
  garbage: "BAD",
  aborted: "GONE",
});

/**
 * Return the status as a short badge: a status code, or how the connection ended.
 * @param {number | null} status
 * @param {string | null} ended
 * @returns {{text: string, kind: "ok" | "info" | "warn" | "bad" | "wait", title: string}}
 */
export function statusBadge(status, ended) {
  if (ended === null) return { text: "···", kind: "wait", title: "in flight" };
  const broken = ENDED[ended];
  if (status === null || (broken !== undefined && ended !== "aborted")) {
    return { text: broken ?? ended.toUpperCase(), kind: "bad", title: `no complete response: ${ended}` };
  }
  const kind = status >= 500 ? "bad" : status >= 400 ? "warn" : status >= 300 ? "info" : "ok";
  return { text: String(status), kind, title: broken === undefined ? `status ${status}` : `status ${status}, aborted` };
}
