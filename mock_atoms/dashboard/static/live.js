/** Keeps a journal up to date with the server. The only module that knows how changes arrive. */

/** @import { Api } from "./api.js" */
/** @import { Journal, ServeEvent } from "./journal.js" */
import { ApiError } from "./api.js";
import { entryOf } from "./journal.js";

const POLL_MS = 500;
const FIRST_ENTRIES = 200;
const MAX_WATCHED = 20;

/** @typedef {"connecting" | "live" | "paused" | "offline"} LiveState */

/** Polls the list of requests while the page is visible. */
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
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    this._turn = 0;
    /** @type {LiveState} */
    this.state = "connecting";
    /** Why the server cannot be read. */
    this.problem = "";
    /** @type {() => void} called when `state` or `problem` changes */
    this.onstate = () => {};
    document.addEventListener("visibilitychange", () => this._plan(0));
  }

  start() {
    this._plan(0);
  }

  get isPaused() {
    return this._isPaused;
  }

  /** @param {boolean} isPaused */
  setPaused(isPaused) {
    this._isPaused = isPaused;
    this._set(isPaused ? "paused" : "live");
    this._plan(0);
  }

  /** Load everything again, for example after a reset. */
  reload() {
    this._isComplete = false;
    this._plan(0);
  }

  /** @param {number} ms */
  _plan(ms) {
    clearTimeout(this._timer);
    if (this._isPaused || document.visibilityState === "hidden") return;
    this._timer = setTimeout(() => this._poll(), ms);
  }

  async _poll() {
    const turn = ++this._turn;
    try {
      await (this._isComplete ? this._loadNew() : this._loadAll());
      if (turn === this._turn && !this._isPaused) this._set("live");
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this._set("offline", error.message);
    } finally {
      if (turn === this._turn) this._plan(POLL_MS);
    }
  }

  /** Load the newest exchanges first, so that they show immediately. */
  async _loadAll() {
    const first = await this._list({ limit: FIRST_ENTRIES });
    this._journal.replaceAll(first.entries);
    if (first.total > first.entries.length) {
      const all = await this._list({});
      this._journal.replaceAll(all.entries);
    }
    this._isComplete = true;
  }

  async _loadNew() {
    const waiting = this._journal.inFlight().slice(-MAX_WATCHED);
    const newest = this._journal.entries.at(-1)?.time;
    // Several requests may arrive in one millisecond, so the last one is read again.
    const since = newest === undefined ? undefined : new Date(newest - 1).toISOString();
    const list = await this._list({ since });
    this._journal.put(list.entries);
    const listed = new Set(list.entries.map((entry) => entry.id));
    const ended = await Promise.all(waiting.filter(({ id }) => !listed.has(id)).map(({ id }) => this._get(id)));
    this._journal.put(ended.filter((entry) => entry !== null));
    const surplus = this._journal.entries.length - list.total;
    if (surplus > 0 && list.dropped > this._journal.dropped) this._journal.forgetOldest(surplus);
    else if (surplus !== 0) this._isComplete = false;
    this._journal.dropped = list.dropped;
  }

  /** @param {Record<string, string | number | undefined>} query */
  async _list(query) {
    const present = Object.entries({ ...query, bodies: "false" }).filter(([, value]) => value !== undefined);
    const text = new URLSearchParams(present.map(([name, value]) => [name, String(value)]));
    const response = await this._api.fetch("GET", `requests?${text}`);
    const { requests, meta } = await response.json();
    const entries = /** @type {ServeEvent[]} */ (requests).map(entryOf).reverse();
    return { entries, total: meta.total, dropped: Number(response.headers.get("x-mock-atoms-dropped") ?? 0) };
  }

  /** @param {string} id */
  async _get(id) {
    try {
      return entryOf(await this._api.get(`requests/${id}`));
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return null;
      throw error;
    }
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
