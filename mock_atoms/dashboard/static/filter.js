/** Filter of requests: `status:5xx tenant:sk_acme path:/audience fault:* -method:GET any text`. */

/** @import { Entry } from "./journal.js" */

/** @typedef {(entry: Entry) => boolean} Predicate */

export const FILTER_KEYS = [
  ...["status", "method", "path", "tenant", "test", "fault", "violation", "attempt", "duration", "reason", "id"],
];
const NUMBER = { pattern: /^[<>]?=?\d+(\.\d+)?$/, advice: "is not a number: use 2, >1 or <=100." };
/** The values of the terms that do not take any text. */
const VALUES = /** @type {Record<string, {pattern: RegExp, advice: string}>} */ ({
  status: { pattern: /^(none|\*|[<>]=?\d+|[\dx]{3})$/i, advice: "is not a status: use 429, 5xx, >=400 or none." },
  attempt: NUMBER,
  duration: NUMBER,
});
const TERM = /(-?)(?:([a-z]+):)?("[^"]*"|[^\s"]+)/gi;

/**
 * Return the terms of a filter: key, value and whether it is negated. Text without a known key has the key `text`.
 * @param {string} filter
 * @returns {{key: string, value: string, isNegated: boolean}[]}
 */
export function parseFilter(filter) {
  return [...filter.matchAll(TERM)].map(([, minus, key, quoted]) => {
    const value = (quoted ?? "").replace(/^"(.*)"$/, "$1");
    const name = key?.toLowerCase();
    if (name !== undefined && FILTER_KEYS.includes(name)) return { key: name, value, isNegated: minus === "-" };
    return { key: "text", value: name === undefined ? value : `${key}:${value}`, isNegated: minus === "-" };
  });
}

/**
 * Return whether an entry passes a filter.
 * @param {string} filter
 * @param {(token: string) => string} [labelOf] the masked form of a token
 * @returns {Predicate}
 */
export function compileFilter(filter, labelOf = (token) => token) {
  const predicates = parseFilter(filter).map(({ key, value, isNegated }) => {
    const predicate = compileTerm(key, value, labelOf);
    return isNegated ? (/** @type {Entry} */ entry) => !predicate(entry) : predicate;
  });
  return (entry) => predicates.every((predicate) => predicate(entry));
}

/**
 * Return what is wrong with the terms of a filter: an unknown name, or a value that the name does not have.
 * @param {string} filter
 * @returns {{wrong: string, advice: string}[]}
 */
export function filterProblems(filter) {
  return [...filter.matchAll(TERM)].flatMap(([, , name, quoted = ""]) => {
    if (name === undefined) return [];
    const known = name.toLowerCase();
    if (!FILTER_KEYS.includes(known)) return { wrong: name, advice: `is not a term: use ${FILTER_KEYS.join(", ")}.` };
    const kind = VALUES[known];
    if (!kind) return [];
    const wrong = quoted
      .replaceAll('"', "")
      .split(",")
      .filter((value) => value && !kind.pattern.test(value));
    return wrong.map((value) => ({ wrong: value, advice: kind.advice }));
  });
}

/**
 * Return the text of a filter that may be a token: one that looks like it, or else the only text.
 * @param {string} filter
 * @returns {string | undefined}
 */
export function possibleToken(filter) {
  const texts = parseFilter(filter).filter(({ key, isNegated }) => key === "text" && !isNegated);
  const found = texts.find(({ value }) => value.startsWith("sk_")) ?? (texts.length === 1 ? texts[0] : undefined);
  return found && /^[^\s:/?]+$/.test(found.value) ? found.value : undefined;
}

/**
 * Return a filter with a term for the tenant `token` in place of the same text.
 * @param {string} filter
 * @param {string} token
 * @returns {string}
 */
export function asTenant(filter, token) {
  const others = parseFilter(filter).filter(({ key, value }) => key !== "text" || value !== token);
  return withTerm(others.map(formatTerm).join(" "), "tenant", token);
}

/**
 * Return a filter with a term for `key` in place of all its terms for that key.
 * @param {string} filter
 * @param {string} key
 * @param {string} value
 * @returns {string}
 */
export function withTerm(filter, key, value) {
  const others = parseFilter(filter).filter((term) => term.key !== key);
  return [...others.map(formatTerm), formatTerm({ key, value, isNegated: false })].join(" ");
}

/**
 * Return whether a filter has a term, as it is and not negated.
 * @param {string} filter
 * @param {string} key
 * @param {string} value
 * @returns {boolean}
 */
export function hasTerm(filter, key, value) {
  return parseFilter(filter).some((term) => term.key === key && term.value === value && !term.isNegated);
}

/**
 * Return a filter without the terms that `hasTerm` finds.
 * @param {string} filter
 * @param {string} key
 * @param {string} value
 * @returns {string}
 */
export function withoutTerm(filter, key, value) {
  const others = parseFilter(filter).filter((term) => term.key !== key || term.value !== value || term.isNegated);
  return others.map(formatTerm).join(" ");
}

/** @param {{key: string, value: string, isNegated: boolean}} term */
function formatTerm({ key, value, isNegated }) {
  const quoted = /\s/.test(value) ? `"${value.replaceAll('"', "")}"` : value;
  return `${isNegated ? "-" : ""}${key === "text" ? "" : `${key}:`}${quoted}`;
}

/**
 * @param {string} key
 * @param {string} value
 * @param {(token: string) => string} labelOf
 * @returns {Predicate}
 */
function compileTerm(key, value, labelOf) {
  if (key === "text") {
    const text = value.toLowerCase();
    return (entry) => entry.text.includes(text);
  }
  const alternatives = value.split(",").filter((alternative) => alternative !== "");
  const predicates = alternatives.map((alternative) => compileAlternative(key, alternative, labelOf));
  return (entry) => predicates.some((predicate) => predicate(entry));
}

/**
 * @param {string} key
 * @param {string} value
 * @param {(token: string) => string} labelOf
 * @returns {Predicate}
 */
function compileAlternative(key, value, labelOf) {
  switch (key) {
    case "status":
      return compileStatus(value.toLowerCase());
    case "attempt": {
      const compare = compileNumber(value);
      return (entry) => compare(entry.attempt);
    }
    case "duration": {
      const compare = compileNumber(value);
      return (entry) => entry.durationMs !== null && compare(entry.durationMs);
    }
    case "violation": {
      return (entry) => entry.violations > 0;
    }
    case "fault": {
      const matches = compileWildcard(value, true);
      return (entry) => entry.faults.some(matches);
    }
    case "tenant": {
      const [matches, label] = [compileWildcard(value, false), labelOf(value)];
      return (entry) => entry.tenant === label || matches(entry.tenant);
    }
    case "test": {
      const matches = compileWildcard(value, true);
      return (entry) => entry.testId !== null && matches(entry.testId);
    }
    case "path": {
      const matches = compileWildcard(value, false);
      return (entry) => matches(entry.path);
    }
    case "method": {
      const method = value.toUpperCase();
      return (entry) => entry.method === method;
    }
    case "reason": {
      const matches = compileWildcard(value, true);
      return (entry) => entry.reason !== null && matches(entry.reason);
    }
    default:
      return (entry) => entry.id.startsWith(value.toLowerCase());
  }
}

/**
 * @param {string} value such as `429`, `5xx`, `>=400` or `none`
 * @returns {Predicate}
 */
function compileStatus(value) {
  if (value === "none") return (entry) => entry.status === null;
  if (value === "*") return (entry) => entry.status !== null;
  if (/^[<>]/.test(value)) {
    const compare = compileNumber(value);
    return (entry) => entry.status !== null && compare(entry.status);
  }
  return (entry) => {
    const status = String(entry.status ?? "");
    return (
      status.length === value.length && [...value].every((digit, index) => digit === "x" || digit === status[index])
    );
  };
}

/**
 * @param {string} value such as `2`, `>1` or `<=100`
 * @returns {(number: number) => boolean}
 */
function compileNumber(value) {
  const [, operator, digits] = /^(>=|<=|>|<)?(.*)$/.exec(value) ?? [];
  const limit = Number(digits);
  switch (operator) {
    case ">":
      return (number) => number > limit;
    case ">=":
      return (number) => number >= limit;
    case "<":
      return (number) => number < limit;
    case "<=":
      return (number) => number <= limit;
    default:
      return (number) => number === limit;
  }
}

/**
 * Return whether a text matches a pattern with `*`, in any case. No regular expression is built, so none can be slow.
 * @param {string} pattern
 * @param {boolean} isComplete whether the complete text must match, or a part of it
 * @returns {(text: string) => boolean}
 */
function compileWildcard(pattern, isComplete) {
  const [first = "", ...rest] = pattern.toLowerCase().split("*");
  const last = rest.pop();
  return (original) => {
    const text = original.toLowerCase();
    if (!isComplete) return last === undefined ? text.includes(first) : inOrder(text, [first, ...rest, last], 0);
    if (last === undefined) return text === first;
    const end = text.length - last.length;
    return (
      text.startsWith(first) &&
      end >= first.length &&
      text.endsWith(last) &&
      inOrder(text.slice(0, end), rest, first.length)
    );
  };
}

/**
 * @param {string} text
 * @param {string[]} parts
 * @param {number} position
 * @returns {boolean} whether `text` has all parts, one after the other
 */
function inOrder(text, parts, position) {
  for (const part of parts) {
    const found = text.indexOf(part, position);
    if (found < 0) return false;
    position = found + part.length;
  }
  return true;
}
