// The mailbox's event stream beside the mail: newest first, each event's JSON one click away.

import { el, showKeyed } from "./elements.js";
import { eventKind, eventLine, namesOf } from "./event_lines.js";
import { exactTime, longTime } from "./words.js";

const KEPT = 400;
const EARLIER = 50;

/** Shows the events that the page takes in, and fetches earlier ones. */
export class EventsPane {
  constructor({ api, fold, report }) {
    Object.assign(this, { api, fold, report });
    this.list = document.getElementById("event-list");
    this.earlierButton = document.getElementById("events-earlier");
    this.events = new Map(); // by seq: what the event says, fixed at the moment that it came
    this.kept = KEPT;
    this.earlierButton.onclick = () => this.#earlier();
  }

  clear() {
    this.events.clear();
    this.kept = KEPT;
    this.#show();
  }

  /** Takes in events; `live` ones are lit up for a moment. */
  add(events, { live = false } = {}) {
    const names = namesOf(this.fold);
    for (const event of events) {
      if (!this.events.has(event.seq)) this.events.set(event.seq, { event, line: eventLine(event, names), live });
    }
    this.#show();
  }

  #show() {
    const newest = [...this.events.values()].sort((one, other) => other.event.seq - one.event.seq);
    for (const dropped of newest.splice(this.kept)) this.events.delete(dropped.event.seq);
    showKeyed(this.list, newest, { key: ({ event }) => event.seq, create: row });
    this.earlierButton.hidden = !newest.length || newest.at(-1).event.seq <= 1;
  }

  async #earlier() {
    const first = Math.min(...this.events.keys());
    const since = Math.max(0, first - 1 - EARLIER);
    this.earlierButton.disabled = true;
    try {
      const page = await this.api.get("/v1/sync", { since, limit: first - 1 - since });
      this.kept += page.events.length;
      this.add(page.events);
    } catch (error) {
      this.report(error);
    } finally {
      this.earlierButton.disabled = false;
    }
  }
}

function row({ event, line, live }) {
  const json = el("pre", { class: "event-json", hidden: true, tabindex: "0", "aria-label": `Event ${event.seq} as JSON` });
  const opener = el(
    "button",
    { type: "button", class: "event-open", "aria-expanded": "false", onclick: () => toggle(opener, json, event) },
    el("span", { class: "event-seq" }, String(event.seq)),
    el("span", { class: "event-type" }, event.type),
    el("time", { class: "event-time", datetime: event.at, title: longTime(event.at) }, exactTime(event.at)),
    el("span", { class: "event-line" }, line),
  );
  return el("li", { class: `event event-${eventKind(event.type)}${live ? " event-live" : ""}` }, opener, json);
}

function toggle(opener, json, event) {
  json.hidden = !json.hidden;
  opener.setAttribute("aria-expanded", String(!json.hidden));
  if (!json.hidden && !json.firstChild) json.textContent = JSON.stringify(event, null, 2);
}
