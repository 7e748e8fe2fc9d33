// A field of recipients: addresses between commas, completed from those one has written with (WAI-ARIA combobox).

import { el } from "./elements.js";
import { reportProblem } from "./toasts.js";
import { personInFull, readPeople } from "./words.js";

const TYPED_MS = 120;
let numbers = 0;

export class PeopleInput {
  constructor(api, { label, people = [], changed }) {
    this.api = api;
    this.changed = changed;
    numbers += 1;
    const id = `people-${numbers}`;
    this.choices = el("ul", { class: "suggestions", id, role: "listbox", "aria-label": `Suggestions for ${label}`, hidden: true });
    this.input = el("input", { class: "people", role: "combobox", "aria-expanded": "false", "aria-controls": id, "aria-autocomplete": "list", autocomplete: "off", autocapitalize: "none", spellcheck: "false", value: people.map(personInFull).join(", ") });
    this.element = el("label", { class: "field" }, el("span", { class: "field-name" }, label), el("span", { class: "field-place" }, this.input, this.choices));
    this.input.addEventListener("input", () => (changed(), this.#typed()));
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.input.addEventListener("blur", () => this.#close());
  }

  people() {
    return readPeople(this.input.value);
  }

  #typed() {
    clearTimeout(this.timer);
    const part = this.#part();
    if (part.length < 1) return this.#close();
    this.timer = setTimeout(() => this.#ask(part), TYPED_MS);
    return undefined;
  }

  #part() {
    return this.input.value.split(/[,;]/).at(-1).trim();
  }

  async #ask(part) {
    try {
      const { contacts } = await this.api.get("/v1/contacts", { q: part });
      if (this.#part() === part && document.activeElement === this.input) this.#offer(contacts.flatMap(peopleOf).slice(0, 6));
    } catch (error) {
      reportProblem(error);
    }
  }

  #offer(people) {
    this.offered = people;
    this.active = -1;
    const take = (person) => (event) => (event.preventDefault(), this.#take(person));
    const options = people.map((person, place) => el("li", { role: "option", id: `${this.choices.id}-${place}`, "aria-selected": "false", onpointerdown: take(person) }, el("span", {}, person.name || person.address), person.name ? el("span", { class: "muted" }, person.address) : null));
    this.choices.replaceChildren(...options);
    this.choices.hidden = !people.length;
    this.input.setAttribute("aria-expanded", String(people.length > 0));
  }

  #close() {
    clearTimeout(this.timer);
    this.#offer([]);
    this.input.removeAttribute("aria-activedescendant");
  }

  #key(event) {
    if (this.choices.hidden) return;
    if (event.key === "Escape") event.stopPropagation();
    if (event.key === "Escape") this.#close();
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      this.#mark((this.active + (event.key === "ArrowDown" ? 1 : this.offered.length - (this.active < 0 ? 0 : 1))) % this.offered.length);
    }
    if ((event.key === "Enter" || event.key === "Tab") && this.active >= 0) {
      event.preventDefault();
      this.#take(this.offered[this.active]);
    }
  }

  #mark(place) {
    this.active = place;
    [...this.choices.children].forEach((option, at) => option.setAttribute("aria-selected", String(at === place)));
    this.input.setAttribute("aria-activedescendant", `${this.choices.id}-${place}`);
  }

  #take(person) {
    const before = this.input.value.split(/(?<=[,;])/).slice(0, -1).join("");
    this.input.value = `${before}${before && !before.endsWith(" ") ? " " : ""}${personInFull(person)}, `;
    this.#close();
    this.changed();
  }
}

function peopleOf({ name, addresses }) {
  return addresses.map((address) => ({ name, address }));
}
