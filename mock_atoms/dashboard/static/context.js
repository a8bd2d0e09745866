/** What all views share. */

/** @import { Api } from "./api.js" */
/** @import { Journal } from "./journal.js" */
/** @import { Live } from "./live.js" */
/** @import { Rules } from "./rules.js" */
/** @import { Retries } from "./retry-report.js" */

/** A setting of the server. @typedef {{name: string, flag: string, variable: string, group: string, help: string, value: any, isDefault: boolean}} Setting */

/**
 * @typedef {object} Context
 * @property {Api} api
 * @property {Journal} journal
 * @property {Live} live
 * @property {Rules} rules
 * @property {Retries} retries
 * @property {Setting[]} settings empty until they are loaded
 * @property {(message: string, isError?: boolean) => void} notify show a short message
 * @property {(route: Route, options?: {replace?: boolean}) => void} go
 */

/** A view and its parameters, as in `#/requests?filter=status:5xx`. @typedef {{view: string, params: Record<string, string>}} Route */

/**
 * A page of the dashboard.
 * @typedef {object} View
 * @property {HTMLElement} element
 * @property {(params: Record<string, string>) => void} show called when the route leads to the view
 * @property {() => void} [refresh] called about every second while the view is shown and the page is not paused
 */

/**
 * @param {Route} route
 * @returns {string} its hash
 */
export function hashOf({ view, params }) {
  const present = Object.entries(params).filter(([, value]) => value !== "");
  const query = new URLSearchParams(present).toString();
  // Filters stay readable in the address bar.
  const readable = query.replaceAll("%3A", ":").replaceAll("%2F", "/").replaceAll("%2C", ",").replaceAll("%2A", "*");
  return `#/${view}${readable ? `?${readable}` : ""}`;
}

/**
 * @param {string} hash
 * @returns {Route}
 */
export function parseHash(hash) {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return { view: path || "requests", params: Object.fromEntries(new URLSearchParams(query)) };
}

/**
 * Return the value of a setting, or `undefined` while the settings are not loaded.
 * @param {Context} context
 * @param {string} name
 * @returns {any}
 */
export function settingOf({ settings }, name) {
  return settings.find((setting) => setting.name === name)?.value;
}

/**
 * Return the base URL of the API.
 * @param {Context} context
 * @returns {string}
 */
export function baseUrl(context) {
  const prefix = location.pathname.replace(/\/__admin\/.*$/, "");
  return location.origin + prefix + (settingOf(context, "base_path") ?? "/atoms/v1");
}
