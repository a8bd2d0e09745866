/** A list of requests that renders only the visible rows, and can be used with the keyboard alone. */

/** @import { Entry } from "./journal.js" */
import { fill, h, onceAFrame } from "./dom.js";

const EXTRA_ROWS = 8;

/** @typedef {{name: string, label: string, render: (entry: Entry) => (Node | string)[]}} Column */

/** A grid with the newest entry on top. */
export class Grid {
  /**
   * @param {{label: string, columns: Column[], onselect: (entry: Entry) => void, onopen: () => void}} options
   */
  constructor({ label, columns, onselect, onopen }) {
    this._columns = columns;
    this._onselect = onselect;
    this._onopen = onopen;
    /** @type {Entry[]} */
    this._entries = [];
    /** @type {string | null} */
    this._selectedId = null;
    /** @type {Map<string, {row: HTMLElement, entry: Entry, index: number, isSelected: boolean}>} */
    this._rows = new Map();
    this._rowHeight = 0;
    this._head = h(
      "div",
      { class: "grid-head", role: "rowgroup" },
      h(
        "div",
        { class: "grid-row", role: "row", "aria-rowindex": 1 },
        columns.map(({ name, label: text }) => h("span", { class: `c-${name}`, role: "columnheader" }, text)),
      ),
    );
    this._body = h("div", { class: "grid-body", role: "rowgroup" });
    this.element = h(
      "div",
      {
        class: "grid",
        role: "grid",
        tabindex: 0,
        "aria-label": label,
        "aria-colcount": columns.length,
        onkeydown: (/** @type {KeyboardEvent} */ event) => this._onkeydown(event),
        onclick: (/** @type {MouseEvent} */ event) => this._onclick(event),
        onscroll: onceAFrame(() => this.render()),
      },
      this._head,
      this._body,
    );
    new ResizeObserver(onceAFrame(() => this._resize())).observe(this.element);
  }

  /**
   * Show other entries. What is visible stays where it is, unless the list is at its top.
   * @param {Entry[]} entries the newest first
   */
  setEntries(entries) {
    const anchor = this._anchor();
    this._entries = entries;
    if (anchor) {
      const index = entries.findIndex(({ id }) => id === anchor.id);
      if (index >= 0) this.element.scrollTop = index * this._rowHeight + anchor.offset;
    }
    this.element.setAttribute("aria-rowcount", String(entries.length + 1));
    this.render();
  }

  /** @returns {Entry | undefined} */
  get selected() {
    return this._entries.find(({ id }) => id === this._selectedId);
  }

  /** @param {string | null} id */
  select(id) {
    this._selectedId = id;
    this.render();
  }

  /** Select an entry relative to the selected one. @param {number} step */
  move(step) {
    if (!this._entries.length) return;
    const index = this._entries.findIndex(({ id }) => id === this._selectedId);
    const wanted = index < 0 && Number.isFinite(step) ? 0 : index + step;
    const target = Math.min(Math.max(wanted, 0), this._entries.length - 1);
    this._selectIndex(target);
  }

  render() {
    if (!this._rowHeight) this._measure();
    const height = this._rowHeight || 30;
    this._body.style.height = `${this._entries.length * height}px`;
    const first = Math.max(0, Math.floor(this.element.scrollTop / height) - EXTRA_ROWS);
    const last = Math.min(this._entries.length, first + Math.ceil(this.element.clientHeight / height) + 2 * EXTRA_ROWS);
    const visible = new Set();
    for (let index = first; index < last; index++) {
      const entry = this._entries[index];
      if (entry === undefined) continue;
      visible.add(entry.id);
      this._renderRow(entry, index, height);
    }
    for (const [id, { row }] of this._rows) {
      if (!visible.has(id)) {
        row.remove();
        this._rows.delete(id);
      }
    }
    const isShown = this._selectedId !== null && this._rows.has(this._selectedId);
    if (isShown) this.element.setAttribute("aria-activedescendant", `row-${this._selectedId}`);
    else this.element.removeAttribute("aria-activedescendant");
  }

  /**
   * @param {Entry} entry
   * @param {number} index
   * @param {number} height
   */
  _renderRow(entry, index, height) {
    const isSelected = entry.id === this._selectedId;
    const known = this._rows.get(entry.id);
    const row = known?.row ?? h("div", { class: "grid-row", role: "row", id: `row-${entry.id}` });
    if (known?.entry !== entry) {
      fill(
        row,
        this._columns.map(({ name, render }) => h("span", { class: `c-${name}`, role: "gridcell" }, render(entry))),
      );
    }
    if (known?.index !== index) {
      row.style.transform = `translateY(${index * height}px)`;
      row.setAttribute("aria-rowindex", String(index + 2));
    }
    if (known?.isSelected !== isSelected) row.setAttribute("aria-selected", String(isSelected));
    if (!known) this._body.append(row);
    this._rows.set(entry.id, { row, entry, index, isSelected });
  }

  _measure() {
    const probe = h("div", { class: "grid-row" }, "0");
    this._body.append(probe);
    this._rowHeight = probe.getBoundingClientRect().height;
    probe.remove();
  }

  _resize() {
    const [first] = this._rows.values();
    const height = first?.row.getBoundingClientRect().height ?? 0;
    if (height && height !== this._rowHeight) {
      this._rowHeight = height;
      for (const { row } of this._rows.values()) row.remove();
      this._rows.clear();
    }
    this.render();
  }

  /** @returns {{id: string, offset: number} | null} */
  _anchor() {
    const top = this.element.scrollTop;
    if (!top || !this._rowHeight) return null;
    const index = Math.floor(top / this._rowHeight);
    const entry = this._entries[index];
    return entry ? { id: entry.id, offset: top - index * this._rowHeight } : null;
  }

  /** @param {number} index */
  _selectIndex(index) {
    const entry = this._entries[index];
    if (!entry) return;
    this._selectedId = entry.id;
    const top = index * this._rowHeight;
    const room = this.element.clientHeight - this._head.offsetHeight;
    if (top < this.element.scrollTop) this.element.scrollTop = top;
    else if (top + this._rowHeight > this.element.scrollTop + room) {
      this.element.scrollTop = top + this._rowHeight - room;
    }
    this.render();
    this._onselect(entry);
  }

  /** @param {MouseEvent} event */
  _onclick(event) {
    // Rows may be replaced between press and release, so the position decides.
    const index = Math.floor((event.clientY - this._body.getBoundingClientRect().top) / this._rowHeight);
    if (index >= 0 && index < this._entries.length) this._selectIndex(index);
  }

  /** @param {KeyboardEvent} event */
  _onkeydown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.element.clientHeight / (this._rowHeight || 30)) - 2);
    const steps = /** @type {Record<string, number>} */ ({
      ...{ ArrowDown: 1, ArrowUp: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity },
    });
    const step = steps[event.key];
    if (step !== undefined) {
      event.preventDefault();
      this.move(step);
    } else if (event.key === "Enter") {
      event.preventDefault();
      if (!this.selected) this.move(0);
      this._onopen();
    }
  }
}
