/** The dialog that makes the next request fail. */

/** @import { Context } from "./context.js" */
import { ApiError } from "./api.js";
import { hashOf } from "./context.js";
import { h } from "./dom.js";
import { openDialog } from "./parts.js";
import { resolveToken } from "./tenant-list.js";

const NEXT_FAULTS = /** @type {[string, string][]} */ ([
  ["500 server error", "500x1"],
  ["429 rate limit", "429x1+retry1"],
  ["503 unavailable", "503x1"],
  ["Timeout", "hangx1"],
  ["Dropped connection", "resetx1"],
  ["Broken JSON", "badjsonx1"],
]);

/**
 * @param {Context} context
 * @param {{token?: string, testId?: string}} tenant the tenant to suggest
 */
export function openFailDialog(context, { token, testId }) {
  const hasTenant = token !== undefined && token !== "-";
  const problem = h("p", { class: "error", role: "alert" });
  const scope = h(
    "select",
    { "aria-label": "Whose next request" },
    hasTenant && h("option", { value: "tenant" }, testId ? `${token} · ${testId}` : token),
    h("option", { value: "all" }, "every tenant"),
  );
  const dialog = openDialog(
    "Make the next request fail",
    h("p", {}, h("label", {}, "Of ", scope)),
    h(
      "div",
      { class: "choices" },
      NEXT_FAULTS.map(([label, expression]) =>
        h("button", { type: "button", onclick: () => create(expression) }, label, h("code", {}, expression)),
      ),
    ),
    problem,
    h("p", {}, h("a", { href: hashOf({ view: "faults", params: {} }), onclick: () => dialog.close() }, "More faults…")),
  );

  /** @param {string} expression */
  async function create(expression) {
    try {
      const match = scope.value === "tenant" && token !== undefined ? await resolveToken(context, token) : {};
      if (scope.value === "tenant" && testId) Object.assign(match, { testId });
      await context.rules.create({ fault: expression, match });
      dialog.close();
      context.notify(
        scope.value === "all" ? "The next request of each tenant fails." : `The next request of ${token} fails.`,
      );
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.textContent = error.message;
    }
  }
}
