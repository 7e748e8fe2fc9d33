// One row of the list.

import { el, icon, iconButton } from "./elements.js";
import { SYSTEM_LABELS } from "./fold.js";
import { marked } from "./highlights.js";
import { labelName, longTime, peopleText, personName, shortTime } from "./words.js";

/** An empty row with its controls; `on` has `open`, `select`, `star`, `drag`, each called with the row's key. */
export function createRow(row, on) {
  const box = el("input", { type: "checkbox", class: "row-box", tabindex: "-1" });
  box.addEventListener("click", (event) => on.select(row.key, box.checked, event.shiftKey));
  const star = iconButton("star", "Star", () => on.star(row.key), { class: "row-star", tabindex: "-1", "aria-pressed": "false" });
  const opener = el(
    "button",
    { type: "button", class: "row-open", tabindex: "-1", onclick: () => on.open(row.key) },
    el("span", { class: "row-top" }, el("span", { class: "row-people" }), el("span", { class: "row-count" }), el("span", { class: "row-clip" }, icon("attach")), el("time", { class: "row-time" })),
    el("span", { class: "row-subject" }),
    el("span", { class: "row-snippet" }),
    el("span", { class: "row-labels" }),
  );
  const item = el("li", { class: "row", draggable: "true" }, el("label", { class: "row-check" }, box), opener, star);
  item.addEventListener("dragstart", (event) => on.drag(row.key, event));
  return item;
}

/** Shows the row's present state; what did not change is not touched. */
export function updateRow(item, row, { selected, open, focused, label, own, labels, toPeople }) {
  const state = { ...row, selected, open, focused };
  item.classList.toggle("unread", row.unread);
  item.classList.toggle("selected", selected);
  item.classList.toggle("open", open);
  const part = (name) => item.querySelector(`.${name}`);
  part("row-box").checked = selected;
  for (const name of ["row-box", "row-star", "row-open"]) part(name).tabIndex = focused ? 0 : -1;
  part("row-star").setAttribute("aria-pressed", String(row.starred));
  if (open) part("row-open").setAttribute("aria-current", "true");
  else part("row-open").removeAttribute("aria-current");
  const drawn = signature(state, labels, label);
  if (item.dataset.drawn === drawn) return;
  item.dataset.drawn = drawn;
  draw(part, row, { label, own, labels, toPeople });
}

function draw(part, row, { label, own, labels, toPeople }) {
  const newest = row.newest;
  const people = toPeople ? recipients(newest) : peopleText([...row.messages].reverse(), own);
  const subject = newest.redacted ? "(no longer readable)" : newest.subject || "(no subject)";
  part("row-people").textContent = people;
  part("row-count").textContent = row.messages.length > 1 ? String(row.messages.length) : "";
  part("row-clip").hidden = !row.messages.some((message) => message.has_attachment);
  part("row-time").textContent = shortTime(newest.listed_at);
  part("row-time").dateTime = newest.listed_at;
  part("row-time").title = longTime(newest.listed_at);
  part("row-subject").replaceChildren(...(row.highlights?.subject ? marked(row.highlights.subject) : [subject]));
  part("row-snippet").replaceChildren(...(row.highlights?.text ? marked(row.highlights.text) : [newest.snippet]));
  part("row-labels").replaceChildren(...chips(row, labels, label));
  const said = [row.unread ? "Unread" : "", row.starred ? "starred" : "", people, subject, shortTime(newest.listed_at)];
  part("row-open").setAttribute("aria-label", said.filter(Boolean).join(", "));
  part("row-box").setAttribute("aria-label", `Select: ${subject}`);
  part("row-star").setAttribute("aria-label", `Star: ${subject}`);
}

function chips(row, labels, current) {
  const ids = new Set(row.messages.flatMap((message) => message.labels));
  return [...ids]
    .filter((id) => id !== current && labels.has(id) && (!SYSTEM_LABELS.includes(id) || (!current && id !== "ARCHIVE")))
    .map((id) => el("span", { class: "label-chip" }, labelName(labels.get(id))));
}

function recipients(message) {
  const people = [...message.to, ...message.cc];
  return people.length ? `To: ${people.slice(0, 3).map(personName).join(", ")}` : "(no recipient yet)";
}

function signature(row, labels, current) {
  const names = row.newest && row.messages.flatMap((message) => message.labels).map((id) => labels.get(id)?.name);
  return [row.messages.map((message) => `${message.id}.${message.seq}`).join(), current, names.join(), JSON.stringify(row.highlights ?? 0)].join("|");
}
