// The small questions: a label's name, which labels, until when. Each closes by Escape and gives the focus back.

import { el } from "./elements.js";
import { SYSTEM_LABELS } from "./fold.js";
import { labelPath } from "./words.js";

function open(title, ...content) {
  const heading = el("h2", { id: "dialog-title" }, title);
  const dialog = el("dialog", { class: "dialog", "aria-labelledby": "dialog-title" }, heading, ...content);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

function cancelButton() {
  return el("button", { type: "button", class: "quiet", onclick: (event) => event.target.closest("dialog").close() }, "Cancel");
}

/** Asks for the path of a label; `save(path)` may refuse with a problem, whose advice then stands in the dialog. */
export function askLabelName({ title, name = "", verb, save }) {
  const problem = el("p", { class: "problem", role: "alert" });
  const input = el("input", { value: name, maxlength: "500", required: true, autocomplete: "off", placeholder: "Projects/House" });
  const form = el(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        if (!input.value.trim()) return;
        try {
          await save(input.value.trim());
          dialog.close();
        } catch (error) {
          if (!error.advice) throw error;
          problem.textContent = error.advice();
        }
      },
    },
    el("label", {}, "Name (“/” nests)", input),
    problem,
    el("div", { class: "dialog-buttons" }, cancelButton(), el("button", { type: "submit", class: "primary" }, verb)),
  );
  const dialog = open(title, form);
  input.select();
}

/** Asks yes or no. */
export function confirmThat({ title, text, verb, run }) {
  const yes = el("button", { type: "button", class: "primary", onclick: () => (dialog.close(), run()) }, verb);
  const dialog = open(title, el("p", {}, text), el("div", { class: "dialog-buttons" }, cancelButton(), yes));
}

/** Lets labels be put on and taken off the messages; `set(label, on)` at every click. */
export function pickLabels({ labels, messages, set, makeNew }) {
  const own = labels.filter((label) => !SYSTEM_LABELS.includes(label.id));
  const rows = own.map((label) => {
    const held = messages.filter((message) => message.labels.includes(label.id)).length;
    const box = el("input", { type: "checkbox", onchange: () => set(label, box.checked) });
    box.checked = held === messages.length;
    box.indeterminate = held > 0 && held < messages.length;
    return el("li", {}, el("label", { class: "check-line" }, box, labelPath(label)));
  });
  const none = own.length ? null : el("p", { class: "muted" }, "There are no labels of your own yet.");
  const fresh = el("button", { type: "button", class: "quiet", onclick: () => (dialog.close(), makeNew()) }, "New label");
  const done = el("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Done");
  const dialog = open("Labels", el("ul", { class: "check-list" }, ...rows), none, el("div", { class: "dialog-buttons" }, fresh, done));
}

/** Asks until when; `run(date)`. */
export function pickTime({ title, run }) {
  const choose = (date) => (dialog.close(), run(date));
  const choices = comingTimes(new Date()).map(([name, date]) =>
    el(
      "li",
      {},
      el(
        "button",
        { type: "button", class: "choice", onclick: () => choose(date) },
        name,
        el("span", { class: "muted" }, date.toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit" })),
      ),
    ),
  );
  const input = el("input", { type: "datetime-local", "aria-label": "Another time" });
  const set = el("button", { type: "button", class: "primary", onclick: () => input.value && choose(new Date(input.value)) }, "Set");
  const dialog = open(title, el("ul", { class: "choices" }, ...choices), el("div", { class: "own-time" }, input, set), el("div", { class: "dialog-buttons" }, cancelButton()));
}

function comingTimes(now) {
  const at = (days, hour) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, hour);
  const evening = now.getHours() < 17 ? [["This evening", at(0, 18)]] : [];
  const monday = (8 - now.getDay()) % 7 || 7;
  return [["In an hour", new Date(now.getTime() + 3_600_000)], ...evening, ["Tomorrow", at(1, 8)], ["Next week", at(monday, 8)]];
}

/** Which keys do what. */
export function showKeys(keys) {
  const rows = keys.map(([key, meaning]) => [el("dt", {}, el("kbd", {}, key)), el("dd", {}, meaning)]);
  const done = el("button", { type: "button", class: "primary", onclick: () => dialog.close() }, "Close");
  const dialog = open("Keys", el("dl", { class: "keys" }, ...rows.flat()), el("div", { class: "dialog-buttons" }, done));
}
