// One message of a conversation: who, when, what it says, what is attached.

import { el, icon, iconButton } from "./elements.js";
import { isStarred, isUnread } from "./fold.js";
import { mailFrame } from "./mail_frame.js";
import { reportProblem } from "./toasts.js";
import { fateText, longTime, personInFull, personName, shortTime, sizeText } from "./words.js";

const LINK = /\bhttps?:\/\/[^\s<>"']+[^\s<>"'.,;:!?)\]]/g;

/** A message that opens and closes; its body is fetched when it first opens. `on` has `reply(message, how)`, `star`, `opened`. */
export class MessageView {
  constructor(summary, { api, own, on }) {
    Object.assign(this, { api, own, on, summary });
    this.body = el("div", { class: "message-body", hidden: true });
    this.head = el("button", { type: "button", class: "message-head", "aria-expanded": "false", onclick: () => this.toggle() });
    this.star = iconButton("star", "Star", () => on.star(this.summary), { class: "row-star" });
    this.element = el("article", { class: "message" }, el("header", { class: "message-top" }, this.head, this.star), this.body);
    this.update(summary);
  }

  update(summary) {
    this.summary = summary;
    const from = summary.from[0] ?? { name: "", address: "(no sender)" };
    const to = [...summary.to, ...summary.cc].map((person) => (person.address.toLowerCase() === this.own ? "me" : personName(person)));
    const letter = (personName(from).match(/[\p{L}\p{N}]/u) ?? ["?"])[0].toUpperCase();
    this.element.classList.toggle("unread", isUnread(summary));
    this.star.setAttribute("aria-pressed", String(isStarred(summary)));
    this.head.replaceChildren(
      el("span", { class: `avatar tone-${tone(from.address)}`, "aria-hidden": "true" }, letter),
      el("span", { class: "message-people" }, el("span", { class: "message-from" }, personName(from)), el("span", { class: "message-to" }, to.length ? `to ${to.slice(0, 4).join(", ")}${to.length > 4 ? " …" : ""}` : "to nobody named")),
      el("time", { class: "message-time", datetime: summary.received_at, title: longTime(summary.received_at) }, shortTime(summary.received_at)),
      el("span", { class: "message-snippet" }, summary.redacted ? "no longer readable" : summary.snippet),
    );
  }

  get isOpen() {
    return !this.body.hidden;
  }

  toggle() {
    this.body.hidden = this.isOpen;
    this.head.setAttribute("aria-expanded", String(this.isOpen));
    this.element.classList.toggle("is-open", this.isOpen);
    if (!this.isOpen) return;
    if (!this.body.firstChild) this.#load({ remote: false });
    this.on.opened(this.summary);
  }

  async #load({ remote }) {
    this.body.setAttribute("aria-busy", "true");
    try {
      this.message = await this.api.get(`/v1/messages/${this.summary.id}`, { remote: remote || undefined });
      this.#show(remote);
    } catch (error) {
      this.body.replaceChildren(el("p", { class: "problem" }, error.advice?.() ?? ""));
      reportProblem(error);
    } finally {
      this.body.removeAttribute("aria-busy");
    }
  }

  #show(remote) {
    const message = this.message;
    const consent = message.blocked_remote && !remote && this.#consent();
    const shown = message.html === null || message.html === "" ? textBody(message.text) : this.#htmlBody(message, remote);
    this.body.replaceChildren(...[consent, shown, this.#attachments(), this.#foot()].filter(Boolean));
  }

  #consent() {
    const button = el("button", { type: "button", class: "quiet", onclick: () => this.#load({ remote: true }) }, "Show images");
    return el("div", { class: "consent" }, icon("image"), el("span", {}, "Images from elsewhere are not loaded: they would tell the sender that you read this."), button);
  }

  #htmlBody(message, remote) {
    const title = `Message from ${personName(message.from[0] ?? { address: "(no sender)" })}`;
    return mailFrame(message.html, { remote, title });
  }

  #attachments() {
    const files = this.message.attachments.filter((file) => !file.inline || !this.message.html);
    if (!files.length) return null;
    const items = files.map((file) => {
      const name = file.filename || "(no name)";
      const open = () => this.#download(file);
      return el("li", {}, el("button", { type: "button", class: "attachment", onclick: open, "aria-label": `Download ${name}, ${sizeText(file.size)}` }, icon("attach"), el("span", { class: "attachment-name" }, name), el("span", { class: "muted" }, sizeText(file.size)), icon("download")));
    });
    return el("ul", { class: "attachments", "aria-label": "Attachments" }, ...items);
  }

  async #download(file) {
    try {
      const answer = await this.api.send("GET", `/v1/messages/${this.summary.id}/attachments/${file.id}`);
      save(await answer.blob(), file.filename || "attachment");
    } catch (error) {
      reportProblem(error);
    }
  }

  #foot() {
    const raw = () => this.#source();
    const act = (name, label, how) => el("button", { type: "button", class: "quiet", onclick: () => this.on.reply(this.message, how) }, icon(name), label);
    const fates = el("div", { class: "fates", "aria-live": "polite" });
    const opened = ({ target }) => target.open && this.#showFates(fates);
    const detail = el("details", { class: "message-details", ontoggle: opened }, el("summary", {}, "Details"), this.#details(), fates, el("button", { type: "button", class: "link", onclick: raw }, "Download the original"));
    return el("footer", { class: "message-foot" }, el("div", { class: "message-actions" }, act("reply", "Reply", "one"), act("replyAll", "Reply to all", "all"), act("forward", "Forward", "forward")), detail);
  }

  #details() {
    const message = this.message;
    const checks = Object.entries(message.authentication).filter(([, result]) => result).map(([name, result]) => `${name.toUpperCase()} ${result}`);
    const lines = [
      ["From", message.from.map(personInFull).join(", ")],
      ["To", message.to.map(personInFull).join(", ")],
      ["Cc", message.cc.map(personInFull).join(", ")],
      ["Received", longTime(message.received_at)],
      ["Size", sizeText(message.size)],
      ["Checks", checks.join(", ")],
      ["Why spam", message.labels.includes("SPAM") ? message.spam_reasons.join(" ") : ""],
      ["Id", message.id],
    ];
    return el("dl", {}, ...lines.filter(([, value]) => value).flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
  }

  /** What became of a message that one sent, recipient by recipient; asked for anew whenever the details are opened. */
  async #showFates(place) {
    if (!this.message.labels.includes("SENT")) return;
    try {
      const { submissions } = await this.api.get("/v1/submissions", { message_id: this.summary.id });
      const lines = submissions.flatMap((one) => one.recipients).map((one) => el("li", { class: `fate fate-${one.status}` }, el("span", {}, one.address ?? "(no longer readable)"), " ", el("span", { class: "muted" }, fateText(one))));
      place.replaceChildren(...(lines.length ? [el("p", { class: "fates-title" }, "What became of it"), el("ul", { "aria-label": "What became of it" }, ...lines)] : []));
    } catch (error) {
      reportProblem(error);
    }
  }

  async #source() {
    try {
      save(await (await this.api.send("GET", `/v1/messages/${this.summary.id}/raw`)).blob(), `${this.summary.id}.eml`);
    } catch (error) {
      reportProblem(error);
    }
  }
}

function textBody(text) {
  const body = el("div", { class: "text-body" });
  let end = 0;
  for (const found of text.matchAll(LINK)) {
    body.append(text.slice(end, found.index), el("a", { href: found[0], target: "_blank", rel: "noopener noreferrer" }, found[0]));
    end = found.index + found[0].length;
  }
  body.append(text.slice(end));
  return body;
}

function save(blob, filename) {
  const url = URL.createObjectURL(blob);
  el("a", { href: url, download: filename }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

function tone(address) {
  let sum = 0;
  for (const letter of address.toLowerCase()) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  return sum % 6;
}
