/** Help: keys, the filter, findings of retries. */

/** @import { Context, View } from "./context.js" */
import { fill, h } from "./dom.js";
import { hasHotkeys, setHotkeys } from "./hotkeys.js";
import { table } from "./parts.js";

const FINDINGS = /** @type {[string, string, string][]} */ ([
  [
    "retried-final-status",
    "The client retried after a 4xx that cannot change.",
    "Retry only 408, 409, 425, 429 and 5xx.",
  ],
  ["ignored-retry-after", "The client retried before Retry-After allowed it.", "Wait for as long as the header asks."],
  [
    "no-backoff",
    "The client retried immediately after a failure.",
    "Wait before the first retry, and longer before each next one.",
  ],
  [
    "retried-unsafe-request",
    "The client retried a POST or PATCH that may have taken effect.",
    "Check whether it did before you retry.",
  ],
]);
const FILTERS = /** @type {[string, string][]} */ ([
  ["status:5xx", "statuses: also 429, 4xx,5xx, >=400, or none without a response"],
  ["tenant:sk_acme", "the requests of a token, complete or masked; * matches any text"],
  ["test:nightly", "the requests with this X-Test-Id"],
  ["path:/audience", "paths that contain this text"],
  ["method:POST", "requests with this method"],
  ["fault:*", "requests that any fault changed; or the id of a rule"],
  ["violation:*", "requests that violate the contract"],
  ["attempt:>1", "retries"],
  ["duration:>100", "requests that took longer than 100 ms"],
  ["reason:unmocked-route", "the reason of the response"],
  ["id:3f0c1c9e", "the request with this x-request-id, or its start"],
  ["-method:GET", "a minus excludes"],
  ["curl", "any text of method, URL, headers and reasons"],
]);
const HOTKEYS = /** @type {[string, string][]} */ ([
  ["/", "go to the filter"],
  ["j k ↓ ↑", "next and previous request"],
  ["Page Down, Page Up, Home, End", "move in the list"],
  ["Enter", "go to the detail"],
  ["Esc", "close the detail"],
  ["Space", "pause and resume"],
  ["?", "this page"],
]);

/**
 * @param {Context} _context
 * @returns {View}
 */
export function helpView(_context) {
  const content = h("div", { class: "cards" });
  const element = h(
    "section",
    { class: "view scroll", "aria-label": "Help" },
    h("div", { class: "view-head" }, h("h1", {}, "Help")),
    content,
  );
  return {
    element,
    show({ topic }) {
      const checkbox = h("input", {
        type: "checkbox",
        id: "use-hotkeys",
        onchange: () => setHotkeys(checkbox.checked),
      });
      checkbox.checked = hasHotkeys();
      const findings = FINDINGS.map(([kind, meaning, fix]) => [
        h("code", { class: kind === topic ? "is-topic" : undefined }, kind),
        meaning,
        fix,
      ]);
      fill(
        content,
        h(
          "div",
          { class: "card" },
          h("h2", { class: "card-title" }, "Findings of retries"),
          table("Findings", [{ label: "Finding" }, { label: "Meaning" }, { label: "What to do" }], findings),
          h("p", { class: "hint" }, "Details: docs/retries.md#findings"),
        ),
        h(
          "div",
          { class: "card" },
          h("h2", { class: "card-title" }, "Filter"),
          table(
            "Filter",
            [{ label: "Term" }, { label: "Finds" }],
            FILTERS.map(([term, text]) => [h("code", {}, term), text]),
          ),
          h(
            "p",
            { class: "hint" },
            "All terms must match. The filter is in the address, so you can share the view as a link.",
          ),
        ),
        h(
          "div",
          { class: "card" },
          h("h2", { class: "card-title" }, "Keyboard"),
          table(
            "Keyboard",
            [{ label: "Key" }, { label: "Does" }],
            HOTKEYS.map(([key, text]) => [h("kbd", {}, key), text]),
          ),
          h("p", {}, checkbox, " ", h("label", { for: "use-hotkeys" }, "Use single keys outside of lists")),
        ),
        h(
          "p",
          { class: "hint" },
          h("a", { href: "../docs" }, "The mocked API"),
          " · ",
          h("a", { href: "../docs/control" }, "The control API"),
        ),
      );
    },
  };
}
