/** The active fault rules, as the page knows them. */

/** @import { Api } from "./api.js" */
/** @import { Rule } from "./explain.js" */

const MAX_KNOWN = 1000;

/** A copy of the server's fault rules. */
export class Rules {
  /** @param {Api} api */
  constructor(api) {
    this._api = api;
    /** @type {(Rule & {id: string})[]} */
    this.all = [];
    /** @type {Map<string, Rule>} active rules, and the last removed ones */
    this._known = new Map();
    /** @type {Map<string, Promise<Rule>>} */
    this._checked = new Map();
    /** @type {() => void} */
    this.onchange = () => {};
  }

  async load() {
    this.all = (await this._api.get("faults")).faults;
    for (const rule of this.all) {
      this._known.delete(rule.id); // active rules move to the end, so that removed ones are dropped first
      this._known.set(rule.id, rule);
    }
    const excess = this._known.size - Math.max(MAX_KNOWN, this.all.length);
    for (const id of [...this._known.keys()].slice(0, Math.max(0, excess))) this._known.delete(id);
    this.onchange();
  }

  /**
   * @param {string} id
   * @returns {Rule | undefined}
   */
  byId(id) {
    return this._known.get(id);
  }

  /**
   * Return the rule that a fault would make, without creating it.
   * @param {unknown} fault
   * @returns {Promise<Rule>}
   */
  check(fault) {
    return this._api.json("POST", "faults/check", fault);
  }

  /**
   * Return the rule of an expression. It is requested once, unless the request fails.
   * @param {string} expression
   * @returns {Promise<Rule>}
   */
  parse(expression) {
    const known = this._checked.get(expression);
    if (known) return known;
    const checked = this.check({ fault: expression });
    this._checked.set(expression, checked);
    checked.catch(() => this._checked.delete(expression));
    return checked;
  }

  /** @param {unknown} fault */
  async create(fault) {
    const rule = await this._api.json("POST", "faults", fault);
    await this.load();
    return rule;
  }

  /** @param {string} id */
  async remove(id) {
    await this._api.json("DELETE", `faults/${encodeURIComponent(id)}`);
    await this.load();
  }

  async removeAll() {
    await this._api.json("DELETE", "faults");
    await this.load();
  }
}
