/** The dialog that makes the next requests fail. */

/** @import { Context } from "./context.js" */
import { ApiError } from "./api.js";
import { hashOf } from "./context.js";
import { fill, h } from "./dom.js";
import { counted } from "./format.js";
import { openDialog } from "./parts.js";
import { resolveToken } from "./tenant-list.js";

/** Labels of faults, and the expressions, with N for the number of requests. */
const NEXT_FAULTS = /** @type {[string, string][]} */ ([
  ["500 server error", "500xN"],
  ["429 rate limit", "429xN+retry1"],
  ["503 unavailable", "503xN"],
  ["Timeout", "hangxN"],
  ["Dropped connection", "resetxN"],
  ["Broken JSON", "badjsonxN"],
]);
const MAX_REQUESTS = 9999;

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
  const number = h("input", {
    type: "number",
    min: "1",
    max: String(MAX_REQUESTS),
    value: "1",
    "aria-label": "How many requests",
    oninput: showChoices,
  });
  const choices = h("div", { class: "choices" });
  const dialog = openDialog(
    "Make the next requests fail",
    h("p", { class: "next" }, "The next", number, "of", scope),
    choices,
    problem,
    h("p", {}, h("a", { href: hashOf({ view: "faults", params: {} }), onclick: () => dialog.close() }, "More faults…")),
  );

  showChoices();

  function showChoices() {
    const isValid = number.checkValidity() && number.value !== "";
    problem.textContent = isValid ? "" : `Give a number from 1 to ${MAX_REQUESTS}.`;
    fill(
      choices,
      NEXT_FAULTS.map(([label, template]) => {
        const expression = template.replace("N", isValid ? String(number.valueAsNumber) : "…");
        const onclick = () => create(expression);
        return h("button", { type: "button", disabled: !isValid, onclick }, label, h("code", {}, expression));
      }),
    );
  }

  /** @param {string} expression */
  async function create(expression) {
    try {
      const match = scope.value === "tenant" && token !== undefined ? await resolveToken(context, token) : {};
      if (scope.value === "tenant" && testId) Object.assign(match, { testId });
      await context.rules.create({ fault: expression, match });
      dialog.close();
      const what = number.valueAsNumber === 1 ? "request" : counted(number.valueAsNumber, "request");
      const verb = number.valueAsNumber === 1 ? "fails" : "fail";
      context.notify(`The next ${what} of ${scope.value === "all" ? "each tenant" : token} ${verb}.`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      problem.textContent = error.message;
    }
  }
}
