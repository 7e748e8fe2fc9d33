// The conversation on the right: its messages oldest first, those unread and the newest one open.

import { el, iconButton, showKeyed } from "./elements.js";
import { SYSTEM_LABELS, isStarred, isUnread } from "./fold.js";
import { MessageView } from "./message_view.js";
import { labelPath, plural } from "./words.js";

export class ConversationPane {
  constructor({ api, fold, own, commands, on }) {
    Object.assign(this, { api, fold, own, commands, on });
    this.pane = document.getElementById("conversation");
    this.views = new Map();
    this.threadId = null;
    this.close();
  }

  close() {
    this.threadId = null;
    this.views.clear();
    const hint = "Choose a conversation to read it here.";
    this.pane.replaceChildren(el("div", { class: "nothing-open" }, el("span", { class: "mark mark-large", "aria-hidden": "true" }), el("p", {}, hint), el("p", { class: "muted" }, "Press ? for the keys.")));
  }

  /** Opens the conversation of a message; that message and what is unread are unfolded. */
  open(message) {
    this.threadId = message.thread_id;
    this.views.clear();
    this.title = el("h2", { class: "conversation-title", tabindex: "-1" });
    this.about = el("div", { class: "conversation-about" });
    this.tools = el("div", { class: "toolbar", role: "toolbar", "aria-label": "Do with this conversation" });
    this.list = el("div", { class: "conversation-messages" });
    this.pane.replaceChildren(el("header", { class: "conversation-head" }, this.tools, this.title, this.about), this.list);
    this.pane.scrollTop = 0;
    const unread = new Set(this.messages().filter(isUnread).map((one) => one.id));
    this.show();
    for (const [id, view] of this.views) if (id === message.id || unread.has(id)) view.toggle();
    this.views.get(message.id)?.element.scrollIntoView({ block: "nearest" });
  }

  messages() {
    return this.fold.newestFirst().filter((message) => message.thread_id === this.threadId).reverse();
  }

  ids() {
    return this.messages().map((message) => message.id);
  }

  /** Shows what the fold says now; closes where nothing is left. */
  show() {
    if (!this.threadId) return;
    const messages = this.messages();
    if (!messages.length) return this.on.closed();
    this.title.textContent = messages[0].subject || "(no subject)";
    this.#showAbout(messages);
    this.#showTools(messages);
    showKeyed(this.list, messages, {
      key: (message) => message.id,
      create: (message) => this.#view(message).element,
      update: (_, message) => this.views.get(message.id).update(message),
    });
  }

  #view(message) {
    const on = { star: (one) => this.commands.keyword([one.id], "$flagged", !isStarred(one)), opened: (one) => this.#opened(one), reply: this.on.reply };
    const view = new MessageView(message, { api: this.api, own: this.own, on });
    this.views.set(message.id, view);
    return view;
  }

  #opened(message) {
    const standing = this.fold.messages.get(message.id);
    if (standing && isUnread(standing)) this.commands.keyword([message.id], "$seen", true);
  }

  #showAbout(messages) {
    const ids = [...new Set(messages.flatMap((message) => message.labels))];
    const chips = ids.map((id) => {
      const label = this.fold.labels.get(id);
      if (!label) return null;
      const own = !SYSTEM_LABELS.includes(id);
      const off = own && iconButton("close", `Take label ${labelPath(label)} off`, () => this.commands.label(messages.filter((one) => one.labels.includes(id)).map((one) => one.id), label, false));
      return el("span", { class: `label-chip${own ? " own" : ""}` }, labelPath(label), off);
    });
    this.about.replaceChildren(el("span", { class: "muted" }, plural(messages.length, "message")), ...chips.filter(Boolean));
  }

  #showTools(messages) {
    const drawn = messages.map((message) => `${message.id}.${message.labels}.${message.keywords}`).join();
    if (this.drawnTools === drawn && this.tools.firstChild) return;
    this.drawnTools = drawn;
    const back = iconButton("back", "Back to the list", () => this.on.back(), { class: "back-button" });
    this.tools.replaceChildren(back, ...this.on.tools(messages).map((tool) => iconButton(tool.icon, tool.name, () => tool.run())));
  }

  /** The message that a reply by key answers: the newest that is no draft. */
  async newestWhole() {
    const newest = this.messages().filter((message) => !message.keywords.includes("$draft")).at(-1);
    return newest && (this.views.get(newest.id)?.message ?? this.api.get(`/v1/messages/${newest.id}`));
  }
}
