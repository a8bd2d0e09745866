/** The dialog that edits the initial data of a tenant. */

/** @import { Context } from "./context.js" */
import { ApiError } from "./api.js";
import { h } from "./dom.js";
import { field, openDialog } from "./parts.js";

/**
 * @param {Context} context
 * @param {{token: string, testId: string, audiences: any[]}} tenant the tenant and its audiences
 * @param {() => Promise<void>} onsave called after a change
 */
export function editData(context, { token, testId, audiences }, onsave) {
  const text = h("textarea", { rows: 18, spellcheck: "false" });
  text.value = JSON.stringify({ audiences }, null, 2);
  const problem = h("p", { class: "error", role: "alert" });
  const dialog = openDialog(
    "Edit initial data",
    h(
      "p",
      {},
      "Audiences as in a fixture file, or ",
      h("code", {}, '{"generate": {"audiences": 3}}'),
      ". The changes of the tenant are lost.",
    ),
    field("Initial data as JSON", text),
    problem,
    h("button", { type: "button", class: "primary", onclick: save }, "Save"),
  );
  async function save() {
    try {
      const data = JSON.parse(text.value);
      await context.api.json("PUT", "tenants", { ...data, token, ...(testId ? { testId } : {}) });
      dialog.close();
      await onsave();
      context.notify("Saved the initial data.");
    } catch (error) {
      if (!(error instanceof ApiError || error instanceof SyntaxError)) throw error;
      const place = error instanceof ApiError && error.pointer ? `${error.pointer}: ` : "";
      problem.textContent = place + error.message;
    }
  }
}
