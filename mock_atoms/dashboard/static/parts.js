/** Small parts that several views share. */

/** @import { Child } from "./dom.js" */
import { fill, h } from "./dom.js";
import { statusBadge } from "./format.js";

/**
 * @param {number | null} status
 * @param {string | null} ended
 * @returns {HTMLElement}
 */
export function status(status, ended) {
  const { text, kind, title } = statusBadge(status, ended);
  return h("span", { class: `status status-${kind}`, title }, text);
}

/**
 * @param {string} kind `fault`, `info`, `warn`, `bad` or `ok`
 * @param {string} text
 * @param {string} [title]
 * @returns {HTMLElement}
 */
export const badge = (kind, text, title) => h("span", { class: `badge badge-${kind}`, title }, text);

/**
 * @param {string} title
 * @param {...(Child | Child[])} content what to do first
 * @returns {HTMLElement}
 */
export const emptyState = (title, ...content) =>
  h("div", { class: "empty" }, h("p", { class: "empty-title" }, title), h("div", {}, ...content));

/**
 * @param {string} text
 * @returns {HTMLElement} a text with a button that copies it
 */
export function copyable(text) {
  return h(
    "div",
    { class: "copyable" },
    h("pre", { tabindex: 0, class: "code" }, text),
    copyButton(() => text),
  );
}

/**
 * @param {() => string} text
 * @param {string} [label]
 * @returns {HTMLButtonElement}
 */
export function copyButton(text, label = "Copy") {
  const button = h("button", { type: "button", class: "small", onclick: copy }, label);
  async function copy() {
    try {
      await navigator.clipboard.writeText(text());
      button.textContent = "Copied";
    } catch {
      button.textContent = "Select and copy"; // browsers refuse on plain HTTP at a host that is not this machine
    }
    setTimeout(() => (button.textContent = label), 1500);
  }
  return button;
}

/**
 * @param {string} label
 * @param {{label: string, isNumber?: boolean}[]} columns
 * @param {(Child | Child[])[][]} rows
 * @returns {HTMLElement} a table that scrolls on a narrow page
 */
export function table(label, columns, rows) {
  const alignment = columns.map(({ isNumber }) => (isNumber ? "number" : undefined));
  return h(
    "div",
    { class: "table-scroll", tabindex: 0, role: "region", "aria-label": label },
    h(
      "table",
      {},
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          columns.map((column, index) => h("th", { scope: "col", class: alignment[index] }, column.label)),
        ),
      ),
      h(
        "tbody",
        {},
        rows.map((row) =>
          h(
            "tr",
            {},
            row.map((cell, index) => h("td", { class: alignment[index] }, cell)),
          ),
        ),
      ),
    ),
  );
}

/**
 * @param {string} label
 * @param {HTMLElement} control its `id` is set
 * @param {string} [hint]
 * @returns {HTMLElement}
 */
export function field(label, control, hint) {
  control.id ||= `field-${label.toLowerCase().replace(/\W+/g, "-")}`;
  return h(
    "div",
    { class: "field" },
    h("label", { for: control.id }, label),
    control,
    hint && h("p", { class: "hint" }, hint),
  );
}

/**
 * Tabs of the ARIA pattern: the arrow keys choose.
 * @param {string} label
 * @param {{id: string, label: string, render: () => Child | Child[]}[]} tabs
 * @param {string} active
 * @param {(id: string) => void} onchange
 * @returns {HTMLElement}
 */
export function tabbed(label, tabs, active, onchange) {
  const current = tabs.find(({ id }) => id === active) ?? tabs[0];
  const panel = h("div", { class: "tab-panel", role: "tabpanel", tabindex: 0, "aria-label": current?.label });
  const buttons = tabs.map(({ id, label: text }) =>
    h(
      "button",
      {
        type: "button",
        role: "tab",
        "aria-selected": String(id === current?.id),
        tabindex: id === current?.id ? 0 : -1,
        onclick: () => choose(id),
      },
      text,
    ),
  );
  /** @param {string} id */
  function choose(id) {
    tabs.forEach((tab, index) => {
      buttons[index]?.setAttribute("aria-selected", String(tab.id === id));
      buttons[index]?.setAttribute("tabindex", tab.id === id ? "0" : "-1");
      if (tab.id === id) {
        panel.setAttribute("aria-label", tab.label);
        fill(panel, tab.render());
      }
    });
    onchange(id);
  }
  /** @param {KeyboardEvent} event */
  function onkeydown(event) {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    const index = buttons.findIndex((button) => button === document.activeElement);
    const next = (index + step + tabs.length) % tabs.length;
    buttons[next]?.focus();
    const tab = tabs[next];
    if (tab) choose(tab.id);
  }
  if (current) fill(panel, current.render());
  return h("div", {}, h("div", { class: "tabs", role: "tablist", "aria-label": label, onkeydown }, buttons), panel);
}

/**
 * Show a dialog, and remove it when it closes.
 * @param {string} title
 * @param {...(Child | Child[])} content
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, ...content) {
  const dialog = h(
    "dialog",
    { "aria-label": title, onclose: () => dialog.remove() },
    h(
      "header",
      {},
      h("h2", {}, title),
      h("button", { type: "button", class: "small", onclick: () => dialog.close() }, "Close"),
    ),
    ...content,
  );
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}
