// The labels on the left: nested, with what is unread in each.

import { el, icon, iconButton, showKeyed } from "./elements.js";
import { SYSTEM_LABELS } from "./fold.js";
import { labelName, labelPath, plural } from "./words.js";

const ICONS = { INBOX: "inbox", ARCHIVE: "archive", SENT: "sent", DRAFTS: "drafts", TRASH: "trash", SPAM: "spam" };

/** “All mail” is a query, not a label: the list without one. */
export const ALL_MAIL = { id: "", name: "All mail", path: "All mail", depth: 0, total: 0, unread: 0 };

export class LabelsPane {
  constructor({ open, rename, remove, drop }) {
    Object.assign(this, { open, rename, remove, drop });
    this.list = document.getElementById("label-list");
  }

  show(labels, current) {
    const system = labels.filter((label) => SYSTEM_LABELS.includes(label.id));
    const own = labels.filter((label) => !SYSTEM_LABELS.includes(label.id));
    showKeyed(this.list, [...system, ALL_MAIL, ...own], {
      key: (label) => label.id || "all-mail",
      create: (label) => this.#line(label),
      update: (line, label) => this.#update(line, label, current),
    });
  }

  #line(label) {
    const opener = el(
      "button",
      { type: "button", class: "label-open", onclick: () => this.open(label.id) },
      icon(ICONS[label.id] ?? (label.id ? "label" : "mail")),
      el("span", { class: "label-name" }),
      el("span", { class: "label-count" }),
    );
    const line = el("li", { class: "label-line" }, opener);
    if (!label.role && label.id) line.append(this.#tools(label.id));
    this.#acceptDrops(line, label.id);
    return line;
  }

  #tools(id) {
    return el(
      "span",
      { class: "label-tools" },
      iconButton("drafts", "Rename or move", () => this.rename(id)),
      iconButton("delete", "Delete label", () => this.remove(id)),
    );
  }

  #acceptDrops(line, id) {
    line.addEventListener("dragover", (event) => {
      if (!id || !event.dataTransfer.types.includes("application/x-ledgermail")) return;
      event.preventDefault();
      line.classList.add("drop-here");
    });
    line.addEventListener("dragleave", () => line.classList.remove("drop-here"));
    line.addEventListener("drop", (event) => {
      event.preventDefault();
      line.classList.remove("drop-here");
      this.drop(JSON.parse(event.dataTransfer.getData("application/x-ledgermail")), id);
    });
  }

  #update(line, label, current) {
    const opener = line.querySelector(".label-open");
    const [name, count] = [line.querySelector(".label-name"), line.querySelector(".label-count")];
    const shown = label.id === "DRAFTS" ? label.total : label.unread;
    name.textContent = labelName(label);
    count.textContent = shown || "";
    line.dataset.depth = String(Math.min(label.depth, 5));
    line.classList.toggle("has-unread", shown > 0);
    const meaning = label.id === "DRAFTS" ? plural(shown, "draft") : `${shown} unread`;
    opener.setAttribute("aria-label", shown ? `${labelPath(label)}, ${meaning}` : labelPath(label));
    opener.title = labelPath(label);
    if (label.id === current) opener.setAttribute("aria-current", "page");
    else opener.removeAttribute("aria-current");
  }
}
