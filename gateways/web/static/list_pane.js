// The list in the middle: as many rows as one has scrolled to, what is selected, where the keyboard is.

import { el, iconButton, showKeyed } from "./elements.js";
import { createRow, updateRow } from "./list_row.js";

const WINDOW = 50;

export class ListPane {
  constructor({ open, star, tools, more }) {
    Object.assign(this, { openRow: open, tools, more });
    this.list = document.getElementById("message-list");
    this.end = document.getElementById("list-end");
    this.toolbar = document.getElementById("list-tools");
    this.scroll = document.getElementById("list-scroll");
    this.rows = [];
    this.selected = new Set();
    this.shownCount = WINDOW;
    this.focusedKey = null;
    this.on = { open: (key) => this.open(key), select: (...choice) => this.#select(...choice), star: (key) => star(this.row(key)), drag: (...drag) => this.#drag(...drag) };
    this.list.addEventListener("focusin", (event) => this.#focusAt(event.target.closest(".row")?.dataset.key));
    new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting) && this.#extend(), { root: this.scroll, rootMargin: "600px" }).observe(this.end);
  }

  row(key) {
    return this.rows.find((row) => row.key === key);
  }

  /** Another list: from its top, with nothing selected. */
  reset() {
    this.selected.clear();
    this.shownCount = WINDOW;
    this.focusedKey = null;
    this.scroll.scrollTop = 0;
  }

  show(rows, view) {
    this.rows = rows;
    this.view = view;
    const keys = new Set(rows.map((row) => row.key));
    for (const key of this.selected) if (!keys.has(key)) this.selected.delete(key);
    if (!keys.has(this.focusedKey)) this.focusedKey = rows[Math.min(this.lastPlace ?? 0, rows.length - 1)]?.key ?? null;
    this.lastPlace = rows.findIndex((row) => row.key === this.focusedKey);
    this.#draw();
  }

  #draw() {
    const hadFocus = this.list.contains(document.activeElement);
    showKeyed(this.list, this.rows.slice(0, this.shownCount), {
      key: (row) => row.key,
      create: (row) => createRow(row, this.on),
      update: (item, row) => updateRow(item, row, { ...this.view, selected: this.selected.has(row.key), open: row.key === this.view.openKey || row.newest.thread_id === this.view.openThread, focused: row.key === this.focusedKey }),
    });
    this.end.textContent = this.rows.length ? "" : this.view.empty;
    this.#drawTools();
    if (hadFocus && !this.list.contains(document.activeElement)) this.focus();
  }

  #drawTools() {
    const count = this.selected.size;
    this.toolbar.hidden = !count;
    this.toolbar.parentElement.classList.toggle("selecting", count > 0);
    if (!count) return;
    const buttons = this.tools(this.selectedRows()).map((tool) => iconButton(tool.icon, tool.name, () => tool.run()));
    const all = el("button", { type: "button", class: "select-all", "aria-label": "Select all", onclick: () => this.selectAll() }, "All");
    this.toolbar.replaceChildren(el("span", { class: "selected-count" }, String(count), el("span", { class: "unseen" }, " selected")), ...buttons, all, iconButton("close", "Select none", () => this.selectNone()));
  }

  #extend() {
    if (this.shownCount < this.rows.length) {
      this.shownCount += WINDOW;
      this.#draw();
    } else this.more();
  }

  selectedRows() {
    return this.rows.filter((row) => this.selected.has(row.key));
  }

  selectAll() {
    this.rows.forEach((row) => this.selected.add(row.key));
    this.#draw();
  }

  selectNone() {
    this.selected.clear();
    this.#draw();
  }

  #select(key, on, isRange) {
    const [from, to] = [this.rows.findIndex((row) => row.key === this.anchor), this.rows.findIndex((row) => row.key === key)];
    const between = isRange && from >= 0 ? this.rows.slice(Math.min(from, to), Math.max(from, to) + 1) : [this.row(key)];
    for (const row of between) this.selected[on ? "add" : "delete"](row.key);
    this.anchor = key;
    this.#draw();
  }

  toggleFocused() {
    if (this.focusedKey) this.#select(this.focusedKey, !this.selected.has(this.focusedKey), false);
  }

  open(key) {
    this.#focusAt(key);
    this.openRow(this.row(key));
  }

  #focusAt(key) {
    if (!key || key === this.focusedKey) return;
    this.focusedKey = key;
    this.lastPlace = this.rows.findIndex((row) => row.key === key);
    this.#draw();
  }

  /** Moves the keyboard's place by so many rows and scrolls there. */
  step(by) {
    const place = this.rows.findIndex((row) => row.key === this.focusedKey);
    const next = this.rows[Math.max(0, Math.min(this.rows.length - 1, place + by))];
    if (!next) return null;
    while (this.rows.indexOf(next) >= this.shownCount) this.shownCount += WINDOW;
    this.#focusAt(next.key);
    this.focus();
    return next;
  }

  focus() {
    const item = [...this.list.children].find((child) => child.dataset.key === this.focusedKey);
    item?.querySelector(".row-open").focus({ preventScroll: true });
    item?.scrollIntoView({ block: "nearest" });
  }

  #drag(key, event) {
    const rows = this.selected.has(key) ? this.selectedRows() : [this.row(key)];
    const ids = rows.flatMap((row) => row.messages.map((message) => message.id));
    event.dataTransfer.setData("application/x-ledgermail", JSON.stringify(ids));
    event.dataTransfer.effectAllowed = "move";
  }
}
