/** Why the mock responded as it did. */

/** @import { Context } from "./context.js" */
/** @import { Child } from "./dom.js" */
/** @import { ServeEvent } from "./journal.js" */
import { hashOf } from "./context.js";
import { h } from "./dom.js";
import { describeMatch, explainReason, explainRule, expressionOf, magicWord } from "./explain.js";

/**
 * Return the causes of a response, the most important first. There is always one.
 * @param {Context} context
 * @param {ServeEvent} event
 * @returns {Promise<{kind: "fault" | "warn" | "ok", content: Child[]}[]>}
 */
export async function causesOf(context, event) {
  const own = event.request.mockAtoms;
  const causes = [];
  for (const id of own.faults) {
    causes.push({ kind: /** @type {const} */ ("fault"), content: await faultCause(context, id, event) });
  }
  const isFault = own.faults.length > 0 && own.reason?.startsWith("connection-");
  if (own.reason !== null && own.reason !== "aborted" && !isFault && !event.stubMapping) {
    causes.push({
      kind: /** @type {const} */ ("warn"),
      content: [explainReason(own.reason), " ", h("code", {}, own.reason)],
    });
  }
  if (event.stubMapping) {
    const name = event.stubMapping.name ?? event.stubMapping.id;
    const link = h("a", { href: hashOf({ view: "stubs", params: { id: event.stubMapping.id } }) }, name);
    const isBroken = ![null, "responded", "aborted"].includes(own.ended);
    const rest = isBroken ? ` matches the request and breaks the connection: ${own.ended}.` : " matches the request.";
    causes.push({ kind: /** @type {const} */ ("ok"), content: ["The stub ", link, rest] });
  }
  if (own.ended === "aborted") {
    causes.push({ kind: /** @type {const} */ ("warn"), content: [explainReason("aborted")] });
  }
  if (!causes.length) causes.push(regularCause(event));
  return causes;
}

/**
 * @param {Context} context
 * @param {string} id
 * @param {ServeEvent} event
 * @returns {Promise<Child[]>}
 */
async function faultCause(context, id, event) {
  if (id === "key") {
    const word = magicWord(event.request.mockAtoms.tenant) ?? "";
    try {
      const rule = await context.rules.parse(word);
      return ["The magic key asks for ", h("code", {}, word), ": ", explainKey(rule)];
    } catch {
      return ["The magic key asks for ", h("code", {}, word), "."];
    }
  }
  if (id === "prefer") return ["The Prefer header asks for ", h("code", {}, preferOf(event)), "."];
  if (id === "error-rate") return ["--error-rate chose this request."];
  const rule = context.rules.byId(id);
  const link = h("a", { href: "#/faults" }, id);
  if (!rule) return ["The fault rule ", link, " triggered. It has been removed since."];
  const name = rule.name ? `, “${rule.name}”,` : "";
  return [
    "The fault rule ",
    link,
    `${name} triggered: `,
    h("code", {}, expressionOf(rule)),
    ` for ${describeMatch(rule.match)}.`,
  ];
}

/**
 * @param {ServeEvent} event
 * @returns {string} the value of the header `Prefer`
 */
function preferOf(event) {
  const header = Object.entries(event.request.headers).find(([name]) => name.toLowerCase() === "prefer");
  return [header?.[1] ?? "this response"].flat().join(", ");
}

/**
 * @param {ServeEvent} event
 * @returns {{kind: "warn" | "ok", content: Child[]}}
 */
function regularCause(event) {
  const own = event.request.mockAtoms;
  if (own.ended === null) return { kind: "ok", content: ["The request is in flight."] };
  const errors = errorsOf(event.response?.body);
  if (own.status >= 400) {
    const texts = errors.length ? `: ${errors.join(" ")}` : ".";
    return { kind: "warn", content: [`The mocked operation rejects the request${texts}`] };
  }
  return { kind: "ok", content: ["The mocked operation responds. No fault or stub applies."] };
}

/**
 * @param {string | undefined} body
 * @returns {string[]} the messages of the error envelope
 */
function errorsOf(body) {
  try {
    const { errors, error } = JSON.parse(body ?? "");
    return [errors ?? error ?? []].flat().map(String);
  } catch {
    return [];
  }
}

/**
 * Return what the rule of a magic key does for its tenant.
 * @param {import("./explain.js").Rule} rule
 */
function explainKey(rule) {
  const text = explainRule(rule)
    .replace("of each tenant", "of this tenant")
    .replace(/^The next/, "the first");
  return text.charAt(0).toLowerCase() + text.slice(1);
}
