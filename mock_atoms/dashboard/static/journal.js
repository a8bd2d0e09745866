/** The exchanges that the page knows, the oldest first. */

/**
 * What the page keeps of each exchange. The detail loads the rest.
 * @typedef {object} Entry
 * @property {string} id
 * @property {number} time arrival, in milliseconds since 1970
 * @property {string} method
 * @property {string} url path and query
 * @property {string} path
 * @property {string} tenant the masked token
 * @property {string | null} testId
 * @property {number} attempt
 * @property {number | null} status
 * @property {string | null} ended `null` while the exchange is in flight
 * @property {string | null} reason
 * @property {string[]} faults
 * @property {number | null} durationMs
 * @property {number} violations
 * @property {string} text everything that free text finds, in lower case
 */

/** WireMock's ServeEvent, as the control API returns it. @typedef {any} ServeEvent */

/**
 * @param {ServeEvent} event
 * @returns {Entry}
 */
export function entryOf(event) {
  const { request } = event;
  const own = request.mockAtoms;
  const headers = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
  const parts = [request.method, request.url, own.tenant, own.testId, own.status, own.reason, own.ended, own.id];
  return {
    id: event.id,
    time: request.loggedDate,
    method: request.method,
    url: request.url,
    path: request.url.split("?", 1)[0],
    tenant: own.tenant,
    testId: own.testId,
    attempt: own.attempt,
    status: own.status,
    ended: own.ended,
    reason: own.reason,
    faults: own.faults,
    durationMs: own.durationMs,
    violations: own.violations?.length ?? 0,
    text: [...parts, ...own.faults, ...headers].join("\n").toLowerCase(),
  };
}

/** A copy of the server's request journal. */
export class Journal {
  constructor() {
    /** @type {Entry[]} */
    this.entries = [];
    /** @type {Map<string, Entry>} */
    this.byId = new Map();
    /** How many exchanges the server has dropped. */
    this.dropped = 0;
    /** @type {(() => void)[]} */
    this._listeners = [];
  }

  /** @param {() => void} listener called after each change */
  onchange(listener) {
    this._listeners.push(listener);
  }

  /**
   * Add exchanges, or replace those that are known.
   * @param {Entry[]} entries in any order
   */
  put(entries) {
    if (!entries.length) return;
    const replaced = new Map();
    let isSorted = true;
    for (const entry of entries) {
      if (this.byId.has(entry.id)) {
        replaced.set(entry.id, entry);
      } else {
        isSorted &&= entry.time >= (this.entries.at(-1)?.time ?? 0);
        this.entries.push(entry);
      }
      this.byId.set(entry.id, entry);
    }
    if (replaced.size) this.entries = this.entries.map((entry) => replaced.get(entry.id) ?? entry);
    if (!isSorted) this.entries.sort((one, other) => one.time - other.time);
    this._changed();
  }

  /**
   * Replace all exchanges.
   * @param {Entry[]} entries the oldest first
   */
  replaceAll(entries) {
    this.entries = entries;
    this.byId = new Map(entries.map((entry) => [entry.id, entry]));
    this._changed();
  }

  /** @param {number} count how many of the oldest exchanges to forget */
  forgetOldest(count) {
    if (count <= 0) return;
    for (const entry of this.entries.splice(0, count)) this.byId.delete(entry.id);
    this._changed();
  }

  /** @param {string[]} ids exchanges to forget */
  remove(ids) {
    const removed = new Set(ids);
    for (const id of ids) this.byId.delete(id);
    this.entries = this.entries.filter(({ id }) => !removed.has(id));
    this._changed();
  }

  _changed() {
    for (const listener of this._listeners) listener();
  }
}
