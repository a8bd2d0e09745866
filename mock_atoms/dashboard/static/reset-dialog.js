/** The dialog that asks before a tenant is reset. */

import { h } from "./dom.js";
import { openDialog } from "./parts.js";

/**
 * @param {string} label the masked token of the tenant
 * @param {string} testId
 * @param {() => void} reset
 */
export function openResetDialog(label, testId, reset) {
  const tenant = h("code", {}, testId ? `${label} · ${testId}` : label);
  const dialog = openDialog(
    "Reset a tenant",
    h("p", {}, "This removes the changes, set data, counters, rules and requests of ", tenant, "."),
    h("div", { class: "choices" }, h("button", { type: "button", class: "danger", onclick }, "Reset this tenant")),
    h("p", { class: "hint" }, testId ? "" : "It includes all tests of the token. ", "The rest and startup rules stay."),
  );
  function onclick() {
    dialog.close();
    reset();
  }
}
