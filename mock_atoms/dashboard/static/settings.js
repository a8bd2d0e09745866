/** The view of the active settings. */

/** @import { Context, Setting, View } from "./context.js" */
import { fill, h } from "./dom.js";
import { badge, table } from "./parts.js";

/**
 * @param {Context} context
 * @returns {View}
 */
export function settingsView(context) {
  const content = h("div", { class: "cards" });
  const element = h(
    "section",
    { class: "view scroll", "aria-label": "Settings" },
    h("div", { class: "view-head" }, h("h1", {}, "Active settings")),
    h("p", { class: "dim" }, "Set them by flag, environment variable, or file when the server starts."),
    content,
  );
  return {
    element,
    show() {
      const groups = Map.groupBy(context.settings, ({ group }) => group);
      fill(
        content,
        [...groups].map(([name, settings]) => group(name, settings)),
      );
    },
  };
}

/**
 * @param {string} name
 * @param {Setting[]} settings
 */
function group(name, settings) {
  const rows = settings.map((setting) => [
    h("div", {}, h("code", {}, setting.flag), h("div", { class: "dim small-text mono" }, setting.variable)),
    h("div", {}, h("span", { class: "mono" }, shown(setting.value)), " ", !setting.isDefault && badge("info", "set")),
    setting.help,
  ]);
  const columns = [{ label: "Setting" }, { label: "Value" }, { label: "Meaning" }];
  return h("div", { class: "card" }, h("h2", { class: "card-title" }, name), table(name, columns, rows));
}

/** @param {unknown} value */
function shown(value) {
  if (value === null || value === "" || (Array.isArray(value) && !value.length)) return "none";
  if (Array.isArray(value)) {
    return value.map((item) => (typeof item === "string" ? item : JSON.stringify(item))).join(", ");
  }
  return typeof value === "boolean" ? (value ? "on" : "off") : String(value);
}
