/** Fault rules and reasons in plain words. */

import { counted, formatDuration } from "./format.js";

/** A fault rule as the control API returns it. @typedef {any} Rule */

const CONNECTIONS = /** @type {Record<string, string>} */ ({
  reset: "have their connection reset",
  close: "have their connection closed without a response",
  stale: "get a response, and their kept connection closes when the next request arrives",
  hang: "get no response",
  truncate: "get a response that ends too early",
  garbage: "get bytes that are not HTTP",
  drip: "get their response in slow pieces",
});
const REASONS = /** @type {Record<string, string>} */ ({
  "missing-credentials": "The request has no Authorization header and no session cookie.",
  "malformed-authorization": "The Authorization header is not “Bearer” and one token.",
  "unknown-token": "The token is not in --tokens.",
  "revoked-token": "The token is the magic key that represents a revoked one.",
  "unmocked-route": "No stub matched, and the route is not one of the mocked operations.",
  "outside-base-path": "The path is not below the base path of the API.",
  "tenant-full": "The changes of the tenant reach a limit of the mock.",
  "alter-too-large": "The field `alter` of a fault rule reaches a limit of the mock.",
  "bodies-in-flight": "The request bodies in flight reach a limit of the mock.",
  "store-unavailable": "The shared store cannot record the request or its change.",
  "request-timeout": "The client stopped sending the body.",
  "malformed-request": "The body is not valid HTTP/1.1, such as a malformed chunk.",
  "bad-prefer": "The Prefer header is invalid.",
  "unknown-magic-word": "The word of the magic key is unknown, so the key is an ordinary token.",
  "contract-violation": "The request violates the documented contract, and the server is strict.",
  aborted: "The client disconnected, or the server stopped, before the response was complete.",
  "shutting-down": "The server stopped during a delay.",
  "bug-in-mock": "An error of the mock. Its log has the traceback.",
});
/** Texts of the malformed bodies, by the word of the expression. */
const BODIES = /** @type {[string, string, (rule: Rule) => boolean][]} */ ([
  ["html", "get a gateway's 502 with an HTML page", ({ respond }) => respond?.text?.startsWith("<html>") ?? false],
  ["badjson", "get a 200 with truncated JSON", ({ respond }) => respond?.text?.startsWith('{"status":true') ?? false],
  ["blank", "get a 200 with an empty body", ({ respond }) => respond?.text === "" && respond.status === 200],
  ["retyped", "get a field of another type", ({ alter }) => "/data/*/memberCount" in (alter?.values ?? {})],
  ["extra", "get undocumented fields", ({ alter }) => "/unexpected" in (alter?.values ?? {})],
  ["nulled", "get names that are null", ({ alter }) => alter?.values?.["/data/*/name"] === null],
  [
    "plaintext",
    "get their response as text/plain",
    ({ alter }) => alter !== undefined && !alter.values && /^text\/plain/.test(alter.headers?.["Content-Type"] ?? ""),
  ],
]);
const NUMBERS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];

/**
 * Return the word of a magic key: `500x2` of `sk_mock_500x2.me`.
 * @param {string} token
 * @returns {string | undefined}
 */
export const magicWord = (token) => /^sk_mock_([^.…]+)/.exec(token)?.[1];

/**
 * Return the explanation of a reason, or of its slug if it is unknown.
 * @param {string} reason
 * @returns {string}
 */
export function explainReason(reason) {
  if (reason.startsWith("connection-")) return `A fault broke the connection: ${reason.slice("connection-".length)}.`;
  return REASONS[reason] ?? `${reason}.`;
}

/**
 * Return a sentence about a rule: which requests it changes, and how.
 * @param {Rule} rule
 * @returns {string}
 */
export function explainRule(rule) {
  const { effects, effect } = explainEffects(rule);
  const when = rule.when ?? {};
  const scope = explainScope(rule.match ?? {});
  const perTenant = rule.match?.testId || rule.match?.token ? "" : " of each tenant";
  if (when.limit) {
    const { requests, seconds = 1 } = when.limit;
    const window = seconds === 1 ? "a second" : `${seconds} seconds`;
    return `Requests beyond ${requests} in ${window}${perTenant} ${effects}${scope}.`;
  }
  const { after = 0, every = 1, times = null, probability = 1 } = when;
  const skipped = after ? `After ${counted(after, "request")}, ` : "";
  if (times === 0 || probability === 0) return `Never triggers${scope}.`;
  const share = probability < 1 ? `${Number((probability * 100).toFixed(2))} % of ` : "";
  const steps = every > 1 ? `every ${ordinal(every)} request` : "";
  if (times !== null) {
    const which = times === 1 ? "request" : `${NUMBERS[times] ?? times} requests`;
    const subject = `${share}the ${after ? "following" : "next"} ${which}${perTenant}${scope}`;
    const spaced = steps ? `, ${steps} of them,` : "";
    return `${sentence(skipped + subject)}${spaced} ${times === 1 && !share ? effect : effects}; later ones succeed.`;
  }
  const subject = steps ? `${share}${steps}${perTenant}` : `${share || "all "}requests`;
  return `${sentence(skipped + subject)}${scope} ${steps ? effect : effects}.`;
}

/**
 * Return the expression of a rule as far as it has one: `delay250+500x2`.
 * @param {Rule} rule
 * @returns {string}
 */
export function expressionOf(rule) {
  const { delay, respond, alter, connection, when = {} } = rule;
  const terms = [];
  if (delay) terms.push(`delay${delay.ms ?? delay.medianMs ?? `${delay.minMs}–${delay.maxMs}`}`);
  const body = BODIES.find(([, , matches]) => matches(rule));
  if (body) terms.push(body[0]);
  else if (respond && !(when.limit && respond.status === 429)) terms.push(String(respond.status));
  else if (alter) terms.push("alter");
  if (connection) terms.push(connection);
  if (when.limit) {
    const { requests, seconds = 1 } = when.limit;
    terms.push(`limit${requests}${seconds === 1 ? "" : `/${seconds}`}`);
  }
  const times = when.times === undefined || when.times === null ? "" : `x${when.times}`;
  const { probability = 1 } = when;
  const share = probability === 1 ? "" : `p${Number((probability * 100).toFixed(2))}`;
  const retry = respond?.headers?.["Retry-After"];
  return terms.join("+") + times + share + (retry === undefined ? "" : `+retry${retry}`);
}

/**
 * Return which requests a rule matches: `sk_acme · GET /audience`.
 * @param {{token?: string, testId?: string, method?: string, path?: string}} [match]
 * @returns {string}
 */
export function describeMatch(match = {}) {
  const operation = [match.method, match.path].filter(Boolean).join(" ");
  const parts = [match.token ?? "all tenants", match.testId && `test ${match.testId}`, operation];
  return parts.filter(Boolean).join(" · ");
}

/** @param {Rule} rule */
function explainEffects(rule) {
  const { delay, respond, alter, connection } = rule;
  const parts = [];
  if (delay) parts.push(`wait ${explainDelay(delay)}`);
  const body = BODIES.find(([, , matches]) => matches(rule));
  if (body) parts.push(body[1]);
  else if (respond) parts.push(`get a ${respond.status}${explainRetryAfter(respond)}`);
  else if (alter) parts.push("get a changed response");
  if (connection) {
    const kind = connection.replace(/\d+$/, "");
    const ms = connection.slice(kind.length);
    parts.push((CONNECTIONS[kind] ?? connection) + (ms ? ` for ${formatDuration(Number(ms))}` : ""));
  }
  const effects = parts.join(" and ");
  const effect = effects
    .replace(/^wait /, "waits ")
    .replace(/(^|and )get /, "$1gets ")
    .replace(/(^|and )have their/, "$1has its")
    .replace(/\btheir\b/g, "its");
  return { effects, effect };
}

/** @param {{ms?: number, minMs?: number, maxMs?: number, medianMs?: number}} delay */
function explainDelay({ ms, minMs, maxMs, medianMs }) {
  if (ms !== undefined) return formatDuration(ms);
  if (medianMs !== undefined) return `about ${formatDuration(medianMs)}`;
  return `${formatDuration(minMs ?? 0)} to ${formatDuration(maxMs ?? 0)}`;
}

/** @param {{headers?: Record<string, unknown>}} respond */
function explainRetryAfter({ headers = {} }) {
  const value = headers["Retry-After"];
  return value === undefined ? "" : ` with Retry-After: ${value}`;
}

/** @param {{token?: string, testId?: string, method?: string, path?: string}} match */
function explainScope({ token, testId, method, path }) {
  const operation = [method, path].filter(Boolean).join(" ");
  const parts = [operation && `to ${operation}`, token && `of ${token}`, testId && `of test ${testId}`];
  const text = parts.filter(Boolean).join(" ");
  return text ? ` ${text}` : "";
}

/** @param {number} number */
function ordinal(number) {
  const suffix = /1[123]$/.test(String(number)) ? "th" : ({ 1: "st", 2: "nd", 3: "rd" }[number % 10] ?? "th");
  return `${number}${suffix}`;
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);
