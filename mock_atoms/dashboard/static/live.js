/** Keeps a journal up to date with the server. The only module that knows how changes arrive. */

/** @import { Api } from "./api.js" */
/** @import { ServerEvent } from "./event-stream.js" */
/** @import { Entry, Journal, ServeEvent } from "./journal.js" */
import { ApiError } from "./api.js";
import { readEvents } from "./event-stream.js";
import { entryOf } from "./journal.js";

const RETRY_MS = 1000;
const FIRST_ENTRIES = 200;

/** @typedef {"connecting" | "live" | "paused" | "offline"} LiveState */

/** Follows the events of the server while the page is visible and not paused. */
export class Live {
  /**
   * @param {Api} api
   * @param {Journal} journal
   */
  constructor(api, journal) {
    this._api = api;
    this._journal = journal;
    this._isComplete = false;
    this._isPaused = false;
    this._isStarted = false;
    this._lastId = "";
    /** @type {AbortController | undefined} */
    this._connection = undefined;
    /** @type {LiveState} */
    this.state = "connecting";
    /** Why the server cannot be read. */
    this.problem = "";
    /** @type {() => void} called when `state` or `problem` changes */
    this.onstate = () => {};
    /** @type {() => void} called when rules, stubs, tenants or files may have changed */
    this.onserverchange = () => {};
    document.addEventListener("visibilitychange", () => this._reconnect());
  }

  start() {
    this._isStarted = true;
    this._reconnect();
  }

  get isPaused() {
    return this._isPaused;
  }

  /** @param {boolean} isPaused */
  setPaused(isPaused) {
    this._isPaused = isPaused;
    this._set(isPaused ? "paused" : "connecting");
    this._reconnect();
  }

  /** Load everything again, for example after a reset. */
  async reload() {
    this._isComplete = false;
    if (!this._isPaused) await this._reconnect();
  }

  /** Compare the number of exchanges with the server's: those that a full journal drops have no event. */
  async reconcile() {
    const { total, dropped } = await this._list({ limit: 0 });
    this._journal.forgetOldest(this._journal.entries.length - total);
    this._journal.dropped = dropped;
  }

  async _reconnect() {
    this._connection?.abort();
    if (!this._isStarted || this._isPaused || document.visibilityState === "hidden") return;
    const connection = new AbortController();
    this._connection = connection;
    while (!connection.signal.aborted) {
      try {
        await this._follow(connection.signal);
      } catch (error) {
        if (connection.signal.aborted) return;
        if (!(error instanceof ApiError || error instanceof TypeError)) throw error;
        if (error instanceof ApiError && error.status === 401) return;
        this._set("offline", error instanceof ApiError ? error.message : "The connection is interrupted.");
      }
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }

  /** @param {AbortSignal} signal */
  async _follow(signal) {
    for await (const events of readEvents(this._api, signal, this._isComplete ? this._lastId : "")) {
      if (signal.aborted) return;
      await this._handle(events);
      this._lastId = events.at(-1)?.id || this._lastId;
      this._set("live");
    }
  }

  /** @param {ServerEvent[]} events in the order in which they happened */
  async _handle(events) {
    /** @type {Entry[]} */
    let arrived = [];
    let isServerChanged = false;
    for (const { name, data } of events) {
      switch (name) {
        case "connected":
          if (!this._isComplete) await this._loadAll();
          isServerChanged = true;
          break;
        case "missed":
          await this._loadAll();
          isServerChanged = true;
          break;
        case "exchange-started":
        case "exchange-ended":
          arrived.push(entryOf(data));
          break;
        case "requests-removed":
          this._journal.put(arrived);
          arrived = [];
          this._journal.remove(data.ids);
          break;
        case "requests-cleared":
          arrived = [];
          this._journal.replaceAll([]);
          break;
        default:
          isServerChanged = true;
      }
    }
    this._journal.put(arrived);
    if (isServerChanged) this.onserverchange();
  }

  /** Load the newest exchanges first, so that they show immediately. */
  async _loadAll() {
    const first = await this._list({ limit: FIRST_ENTRIES });
    this._journal.dropped = first.dropped;
    this._journal.replaceAll(first.entries);
    this._set("live");
    if (first.total > first.entries.length) this._journal.replaceAll((await this._list({})).entries);
    this._isComplete = true;
  }

  /** @param {Record<string, number>} query */
  async _list(query) {
    const text = new URLSearchParams(Object.entries(query).map(([name, value]) => [name, String(value)]));
    const response = await this._api.fetch("GET", `requests?bodies=false&${text}`);
    const { requests, meta } = await response.json();
    const entries = /** @type {ServeEvent[]} */ (requests).map(entryOf).reverse();
    return { entries, total: meta.total, dropped: Number(response.headers.get("x-mock-atoms-dropped") ?? 0) };
  }

  /**
   * @param {LiveState} state
   * @param {string} [problem]
   */
  _set(state, problem = "") {
    if (state === this.state && problem === this.problem) return;
    this.state = state;
    this.problem = problem;
    this.onstate();
  }
}
