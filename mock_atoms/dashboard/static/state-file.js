/** Export and import of the state as a file. */

/** @import { Context } from "./context.js" */
import { ApiError } from "./api.js";
import { h } from "./dom.js";

/**
 * @param {Context} context
 * @param {() => Promise<void>} onimport called after an import
 * @returns {HTMLElement}
 */
export function stateButtons(context, onimport) {
  const file = h("input", {
    type: "file",
    accept: "application/json,.json",
    "aria-label": "State file",
    class: "visually-hidden",
    onchange: () => importFile(file.files?.[0]),
  });
  const drop = h(
    "button",
    {
      type: "button",
      class: "drop",
      onclick: () => file.click(),
      ondragover: (/** @type {DragEvent} */ event) => (event.preventDefault(), drop.classList.add("is-over")),
      ondragleave: () => drop.classList.remove("is-over"),
      ondrop: (/** @type {DragEvent} */ event) => {
        event.preventDefault();
        drop.classList.remove("is-over");
        importFile(event.dataTransfer?.files[0]);
      },
    },
    "Import state… ",
    h("span", { class: "dim" }, "or drop a file here"),
  );
  return h(
    "div",
    { class: "state-buttons" },
    h("button", { type: "button", onclick: exportState }, "Export state"),
    drop,
    file,
  );

  /** @param {() => Promise<unknown>} work */
  async function attempt(work) {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      context.notify(error.message, true);
    }
  }

  function exportState() {
    return attempt(async () => {
      const blob = await (await context.api.fetch("GET", "state")).blob();
      const link = h("a", { href: URL.createObjectURL(blob), download: "mock-atoms-state.json" });
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  /** @param {File | undefined} file */
  function importFile(file) {
    if (!file) return undefined;
    return attempt(async () => {
      await context.api.json("PUT", "state", await file.text());
      context.notify(`Imported ${file.name}. All rules, fixtures and tenants are replaced.`);
      await onimport();
    });
  }
}
