/** The dashboard: header, routes between views, and the token dialog. */

/** @import { Context, Route, View } from "./context.js" */
import { Api, ApiError } from "./api.js";
import { hashOf, parseHash } from "./context.js";
import { debounced, fill, h } from "./dom.js";
import { faultsView } from "./faults.js";
import { counted, formatNumber } from "./format.js";
import { helpView } from "./help.js";
import { Journal } from "./journal.js";
import { Live } from "./live.js";
import { metricsView } from "./metrics.js";
import { field, openDialog } from "./parts.js";
import { requestsView } from "./requests.js";
import { retriesView } from "./retries.js";
import { Retries } from "./retry-report.js";
import { Rules } from "./rules.js";
import { settingsView } from "./settings.js";
import { stubsView } from "./stubs.js";
import { listen } from "./hotkeys.js";
import { loadTenants } from "./tenant-list.js";
import { tenantsView } from "./tenants.js";
import { toggleTheme } from "./theme.js";
import { violationsView } from "./violations.js";

const REFRESH_MS = 2000;
const RARE_TICKS = 5;
const LONG_JOURNAL = 2000;
const NOTICE_MS = 5000;

const api = new Api();
const journal = new Journal();
const live = new Live(api, journal);
/** @type {Context} */
const context = {
  api,
  journal,
  live,
  rules: new Rules(api),
  retries: new Retries(api, journal),
  settings: [],
  notify,
  go,
};
const requests = requestsView(context);
const VIEWS = /** @type {Record<string, {label: string, view: View}>} */ ({
  requests: { label: "Requests", view: requests },
  retries: { label: "Retries", view: retriesView(context) },
  faults: { label: "Faults", view: faultsView(context) },
  tenants: { label: "Tenants", view: tenantsView(context) },
  stubs: { label: "Stubs", view: stubsView(context) },
  violations: { label: "Violations", view: violationsView(context) },
  metrics: { label: "Metrics", view: metricsView(context) },
  settings: { label: "Settings", view: settingsView(context) },
  help: { label: "Help", view: helpView(context) },
});
/** @type {Record<string, HTMLElement>} */
const counters = Object.fromEntries(Object.keys(VIEWS).map((name) => [name, h("span", { class: "counter" })]));
const links = Object.entries(VIEWS).map(([name, { label }]) =>
  h("a", { href: `#/${name}`, id: `nav-${name}` }, label, counters[name]),
);
const liveText = h("span", { class: "live-text", role: "status" });
const rateText = h("span", { class: "live-text" }); // not a status: screen readers would announce each change
const liveState = h("span", { class: "live" }, h("span", { class: "dot" }), liveText, rateText);
const pause = h("button", { type: "button", id: "pause", onclick: togglePause });
const notices = h("div", { class: "notices", role: "status", "aria-live": "polite" });
const reloadProblem = h("div", { class: "banner", role: "alert" });
const main = h("main", { id: "main" });
/** @type {View | undefined} */
let current;
/** @type {HTMLDialogElement | undefined} */
let tokenDialog;

document.body.append(
  h("a", { class: "skip", href: "#main", onclick: skip }, "Skip to the content"),
  h(
    "header",
    { class: "top" },
    h("a", { class: "brand", href: "#/requests" }, "mock-atoms"),
    h("nav", { "aria-label": "Views" }, links),
    liveState,
    pause,
    h("button", { type: "button", id: "clear", onclick: openClearDialog }, "Clear"),
    h(
      "button",
      {
        type: "button",
        id: "theme",
        "aria-label": "Switch between light and dark",
        title: "Light or dark",
        onclick: toggleTheme,
      },
      "◐",
    ),
  ),
  reloadProblem,
  main,
  notices,
);
addEventListener("hashchange", closeDialogs);
addEventListener("hashchange", showRoute);
api.onunauthorized = openTokenDialog;
live.onstate = showLiveState;
live.onserverchange = debounced(loadServerChanges, 200);
context.rules.onchange = showCounters;
context.retries.onchange = showCounters;
journal.onchange(showCounters);
listen({
  "/": () => inRequests(() => requests.focusFilter()),
  j: () => inRequests(() => requests.move(1)),
  k: () => inRequests(() => requests.move(-1)),
  "?": () => go({ view: "help", params: {} }),
  " ": togglePause,
  Escape: () => {
    if (current === requests) requests.close();
  },
});
showLiveState();
showRoute();
start();

async function start() {
  try {
    await loadServer();
    await context.rules.load();
    live.start();
    showRoute();
    await countTenants();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (error.status !== 401) showProblem(error);
  }
}

let tick = 0;
setInterval(async () => {
  if (document.visibilityState === "hidden" || live.isPaused || !context.settings.length) return;
  tick += 1;
  const isRare = tick % RARE_TICKS === 0;
  showLiveState();
  try {
    current?.refresh?.();
    // The report of a long journal is work for the server.
    if (isRare || journal.entries.length < LONG_JOURNAL) await context.retries.load();
    if (isRare) await Promise.all([live.reconcile(), countTenants()]);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}, REFRESH_MS);

async function countTenants() {
  setCounter("tenants", (await loadTenants(context)).length);
}

async function loadServerChanges() {
  try {
    await Promise.all([loadServer(), context.rules.load(), countTenants()]);
    current?.refresh?.();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
  }
}

function showRoute() {
  const { view: name, params } = parseHash(location.hash);
  const shown = Object.hasOwn(VIEWS, name) ? name : "requests";
  const known = VIEWS[shown];
  if (!known) return;
  for (const link of links) {
    if (link.id === `nav-${shown}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  revealLink();
  document.title = `${known.label} · mock-atoms`;
  if (current !== known.view) fill(main, known.view.element);
  current = known.view;
  current.show(params);
}

/** Scroll to the link of the current view: the links scroll on a narrow page. */
function revealLink() {
  const link = links.find((each) => each.hasAttribute("aria-current"));
  link?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** Close the dialogs of the view that the reader leaves. The token is required in each view. */
function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog")) if (dialog !== tokenDialog) dialog.close();
}

/**
 * @param {Route} route
 * @param {{replace?: boolean}} [options]
 */
function go(route, { replace = false } = {}) {
  const hash = hashOf(route);
  if (hash === location.hash) return;
  if (replace) history.replaceState(null, "", hash);
  else history.pushState(null, "", hash);
  showRoute();
}

/** @param {() => void} action */
function inRequests(action) {
  if (current !== requests) go({ view: "requests", params: {} });
  action();
}

/** @param {Event} event */
function skip(event) {
  event.preventDefault(); // the hash is the route
  const target = main.querySelector("[tabindex], input, button, a");
  if (target instanceof HTMLElement) target.focus();
}

function togglePause() {
  live.setPaused(!live.isPaused);
}

function showLiveState() {
  const texts = { connecting: "Connecting…", live: "Live", paused: "Paused", offline: live.problem };
  const text = texts[live.state];
  liveState.dataset.state = live.state;
  if (liveText.textContent !== text) liveText.textContent = text;
  rateText.textContent = live.state === "live" ? `· ${rate()}` : "";
  fill(pause, live.isPaused ? "Resume" : "Pause", h("kbd", {}, "space"));
}

function rate() {
  const since = Date.now() - 10_000;
  let count = 0;
  for (let index = journal.entries.length - 1; index >= 0 && (journal.entries[index]?.time ?? 0) > since; index--) {
    count += 1;
  }
  const perSecond = count / 10;
  return `${perSecond === 0 || perSecond >= 1 ? Math.round(perSecond) : perSecond.toFixed(1)} req/s`;
}

function showCounters() {
  setCounter("requests", journal.entries.length);
  setCounter("faults", context.rules.all.length);
  setCounter("retries", context.retries.report.summary.findings, "bad");
  showLiveState();
}

/**
 * @param {string} view
 * @param {number} count
 * @param {string} [kind]
 */
function setCounter(view, count, kind = "") {
  const counter = counters[view];
  if (!counter) return;
  counter.className = `counter ${kind}`;
  const text = count ? formatNumber(count) : "";
  const isMoved = text.length !== counter.textContent.length;
  counter.textContent = text;
  if (isMoved) revealLink();
}

/**
 * @param {string} message
 * @param {boolean} [isError]
 */
function notify(message, isError = false) {
  // A view that refreshes repeats its error.
  if (isError && [...notices.children].some(({ firstChild }) => firstChild?.textContent === message)) return;
  const notice = h(
    "div",
    { class: `notice ${isError ? "notice-bad" : ""}` },
    message,
    " ",
    h("button", { type: "button", class: "small", onclick: () => notice.remove() }, "Close"),
  );
  notices.append(notice);
  if (!isError) setTimeout(() => notice.remove(), NOTICE_MS);
}

async function loadServer() {
  const { settings, lastReload } = await api.get("server");
  context.settings = settings;
  const problem = lastReload?.error ? `The previous fixtures and stubs are still in use: ${lastReload.error}` : "";
  if (reloadProblem.textContent !== problem) fill(reloadProblem, problem); // a repeated alert is not read out again
}

/** @param {ApiError} error */
function showProblem(error) {
  live.state = "offline";
  live.problem = "Not connected";
  showLiveState();
  fill(
    main,
    h(
      "div",
      { class: "empty", role: "alert" },
      h(
        "p",
        { class: "empty-title" },
        error.status === 403 ? "The control API refuses this page" : "The control API cannot be used",
      ),
      h("p", {}, error.message),
      h("button", { type: "button", onclick: () => location.reload() }, "Try again"),
    ),
  );
}

function openTokenDialog() {
  if (tokenDialog?.open) return;
  const token = h("input", { type: "password", autocomplete: "off", required: true });
  const problem = api.hasToken ? "The server rejects the admin token. Enter the value of --admin-token." : "";
  tokenDialog = openDialog(
    "Admin token",
    h("p", {}, "This server requires the token of --admin-token. This tab keeps it until you close it."),
    h(
      "form",
      {
        onsubmit: (/** @type {SubmitEvent} */ event) => {
          event.preventDefault();
          api.setToken(token.value.trim());
          tokenDialog?.close();
          start();
        },
      },
      field("Admin token", token),
      h("p", { class: "error", role: "alert" }, problem),
      h("button", { type: "submit", class: "primary" }, "Continue"),
    ),
  );
  token.focus();
}

function openClearDialog() {
  const dialog = openDialog(
    "Start over",
    h("p", {}, `The journal has ${counted(journal.entries.length, "request")} of all tenants.`),
    h(
      "div",
      { class: "choices" },
      h(
        "button",
        { type: "button", class: "primary", onclick: () => clear("DELETE", "requests") },
        "Clear the requests",
      ),
      h("button", { type: "button", class: "danger", onclick: () => clear("POST", "reset") }, "Reset everything"),
    ),
    h(
      "p",
      { class: "hint" },
      "A reset also removes created rules and stubs, counters, and the changes and data of all tenants. Startup rules stay.",
    ),
  );
  /**
   * @param {string} method
   * @param {string} path
   */
  async function clear(method, path) {
    dialog.close();
    try {
      await api.json(method, path);
      journal.replaceAll([]);
      live.reload();
      await context.rules.load();
      notify(path === "reset" ? "Reset everything." : "Cleared the requests.");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      notify(error.message, true);
    }
  }
}
