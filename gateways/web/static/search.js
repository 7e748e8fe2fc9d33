// A search and what it found so far; more comes by cursor as one scrolls.

import { reportProblem } from "./toasts.js";
import { plural } from "./words.js";

export class Search {
  constructor({ api, changed }) {
    Object.assign(this, { api, changed });
    this.clear();
  }

  clear() {
    this.query = "";
    this.found = [];
    this.total = 0;
    this.cursor = null;
    this.busy = false;
    this.problem = "";
    this.turn = (this.turn ?? 0) + 1;
  }

  start(query) {
    this.clear();
    this.query = query;
    if (query) this.#page();
    this.changed();
  }

  more() {
    if (this.query && this.cursor && !this.busy) this.#page();
  }

  summary() {
    return this.busy && !this.found.length ? "searching …" : plural(this.total, "message");
  }

  emptyText() {
    if (this.busy) return "Searching …";
    return this.problem || "Nothing found. Try fewer or shorter words; in:anywhere looks into spam and trash too.";
  }

  async #page() {
    const turn = this.turn;
    this.busy = true;
    try {
      const page = await this.api.get("/v1/search", { q: this.query, cursor: this.cursor, limit: 50 });
      if (turn !== this.turn) return;
      this.found.push(...page.messages);
      this.total = page.total;
      this.cursor = page.cursor;
    } catch (error) {
      if (turn !== this.turn) return;
      this.cursor = null;
      this.problem = error.advice?.() ?? "";
      if (this.found.length || !error.advice) reportProblem(error);
    } finally {
      if (turn === this.turn) this.busy = false;
      this.changed();
    }
  }
}
