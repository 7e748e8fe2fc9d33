// The mailbox of who is signed in: the panes, what they show, and what leads from one to another.

import { Api } from "./api.js";
import { Commands } from "./commands.js";
import { Composer } from "./composer.js";
import { ConversationPane } from "./conversation_pane.js";
import { conversationRows, foundRows } from "./conversations.js";
import { askLabelName, confirmThat, pickLabels, pickTime } from "./dialogs.js";
import { announce } from "./elements.js";
import { EventsPane } from "./events_pane.js";
import { MailboxFold, isUnread } from "./fold.js";
import { ALL_MAIL, LabelsPane } from "./labels_pane.js";
import { ListPane } from "./list_pane.js";
import { LiveMailbox } from "./live.js";
import { replyTo } from "./replies.js";
import { Search } from "./search.js";
import { reportProblem } from "./toasts.js";
import { toolsFor } from "./tools.js";
import { labelName, labelPath, personName, plural, sizeText } from "./words.js";

const $ = (id) => document.getElementById(id);

export class MailboxPage {
  constructor(session, { signedOut }) {
    this.own = session.address.toLowerCase();
    this.api = new Api(session.token, signedOut);
    this.fold = new MailboxFold();
    this.view = { label: "INBOX", unread: false, starred: false };
    this.commands = new Commands(this);
    this.composer = new Composer(this);
    this.search = new Search({ api: this.api, changed: () => this.draw() });
    this.list = new ListPane({ open: (row) => this.openRow(row), star: (row) => this.star(row), tools: (rows) => this.rowTools(rows), more: () => this.search.more() });
    this.labels = new LabelsPane({ open: (id) => this.openLabel(id), rename: (id) => this.renameLabel(id), remove: (id) => this.removeLabel(id), drop: (ids, id) => this.commands.move(ids, id, this.view.label) });
    const on = { reply: (message, how) => this.reply(message, how), back: () => this.closeConversation(), closed: () => this.closeConversation(), tools: (messages) => this.conversationTools(messages) };
    this.conversation = new ConversationPane({ api: this.api, fold: this.fold, own: this.own, commands: this.commands, on });
    this.events = new EventsPane({ api: this.api, fold: this.fold, report: reportProblem });
    this.live = new LiveMailbox(this.api, this.fold, { changed: (events) => this.took(events), history: (events) => this.events.add(events), status: (word) => this.showStatus(word), bootstrapped: () => this.events.clear() });
  }

  start() {
    $("mailbox").hidden = false;
    $("whoami").textContent = this.own;
    this.live.follow().catch((error) => (this.showStatus("offline"), reportProblem(error)));
    this.showQuota();
    this.showPane("list");
    this.draw();
  }

  stop() {
    this.live.stop();
    $("mailbox").hidden = true;
    this.conversation.close();
    this.composer.panel?.remove();
  }

  // -- what came

  took(events) {
    if (events.length) this.events.add(events, { live: true });
    const arrived = events.filter((event) => event.type === "MessageDelivered").map((event) => this.fold.messages.get(event.data.message?.id));
    const news = arrived.filter((message) => message && isUnread(message) && message.labels.includes("INBOX"));
    if (news.length) announce(news.length === 1 ? `New mail from ${personName(news[0].from[0] ?? {})}: ${news[0].subject}` : `${news.length} new mails`);
    if (events.some((event) => event.type === "MessageDelivered" || event.type === "MessagesDeleted")) this.showQuotaSoon();
    this.draw();
  }

  /** Draws once for all that changed before the next frame. */
  draw() {
    if (this.drawing) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      this.#draw();
    });
  }

  #draw() {
    const labels = this.fold.labelList();
    if (!labels.some((label) => label.id === this.view.label) && labels.length && this.view.label) this.view.label = "INBOX";
    const label = labels.find((one) => one.id === this.view.label) ?? { ...ALL_MAIL };
    const rows = this.search.query ? foundRows(this.search.found, this.fold.messages) : conversationRows(this.fold.newestFirst(), this.view);
    this.labels.show(labels, this.search.query ? null : this.view.label);
    $("list-title").textContent = this.search.query ? "Search" : labelName(label);
    document.querySelector(".list-filters").hidden = Boolean(this.search.query);
    $("list-count").textContent = this.search.query ? this.search.summary() : countText(label, rows);
    this.list.show(rows, { label: this.search.query ? null : this.view.label, own: this.own, labels: this.fold.labels, toPeople: ["SENT", "DRAFTS"].includes(this.view.label) && !this.search.query, openThread: this.search.query ? null : this.conversation.threadId, openKey: this.openKey, empty: this.emptyText() });
    this.conversation.show();
    const inbox = labels.find((one) => one.id === "INBOX");
    document.title = inbox?.unread ? `(${inbox.unread}) ledgermail` : "ledgermail";
    this.showStatus(this.status);
  }

  emptyText() {
    if (this.search.query) return this.search.emptyText();
    if (!this.fold.labels.size) return "Reading the mailbox …";
    return this.view.unread || this.view.starred ? "Nothing like this here." : "Nothing here.";
  }

  showStatus(word) {
    this.status = word ?? "loading";
    const seq = this.fold.seq.toLocaleString("en").replaceAll(",", " ");
    $("position").textContent = this.status === "loading" ? "reading …" : `seq ${seq} · ${this.status}`;
    $("events-toggle").dataset.status = this.status;
    $("events-toggle").setAttribute("aria-label", `Event stream: at seq ${this.fold.seq}, ${this.status}`);
  }

  async showQuota() {
    try {
      const { quota } = await this.api.get("/v1/account");
      $("quota").textContent = `${sizeText(quota.used_bytes)} of ${sizeText(quota.limit_bytes)} used`;
      $("quota").dataset.state = quota.state;
    } catch (error) {
      reportProblem(error);
    }
  }

  showQuotaSoon() {
    clearTimeout(this.quotaTimer);
    this.quotaTimer = setTimeout(() => this.showQuota(), 2000);
  }

  // -- where one is

  showPane(name) {
    $("mailbox").dataset.pane = name;
    $("labels-toggle").setAttribute("aria-expanded", String(name === "labels"));
  }

  openLabel(id) {
    this.search.clear();
    $("search-box").value = "";
    this.view = { ...this.view, label: id };
    this.list.reset();
    this.showPane("list");
    this.draw();
  }

  toggleFilter(name) {
    this.view[name] = !this.view[name];
    $(`only-${name}`).setAttribute("aria-pressed", String(this.view[name]));
    this.list.reset();
    this.draw();
  }

  find(query) {
    this.list.reset();
    this.showPane("list");
    this.search.start(query);
  }

  openRow(row) {
    const message = row.newest;
    this.openKey = row.key;
    if (message.keywords.includes("$draft") && row.messages.length === 1) return this.openDraft(message);
    this.conversation.open(message);
    this.showPane("conversation");
    return this.draw();
  }

  closeConversation() {
    const wasOpen = this.conversation.threadId !== null;
    this.conversation.close();
    this.openKey = null;
    this.showPane("list");
    this.draw();
    if (wasOpen) this.list.focus();
  }

  // -- what is done

  /** The ids that a command on these rows is about: of each conversation what stands in this list. */
  ids(rows) {
    return rows.flatMap((row) => row.messages.map((message) => message.id));
  }

  star(row) {
    return this.commands.keyword(row.starred ? row.messages.filter((one) => one.keywords.includes("$flagged")).map((one) => one.id) : [row.newest.id], "$flagged", !row.starred);
  }

  rowTools(rows) {
    return this.tools(rows.flatMap((row) => row.messages));
  }

  tools(messages, snoozed = () => {}) {
    const label = this.search.query ? null : this.view.label;
    return toolsFor(messages, { label, commands: this.commands, pickLabels: () => this.pickLabels(messages), pickTime: (run) => pickTime({ title: "Away until", run: async (until) => (await run(until)) && snoozed() }) });
  }

  /** The same for the open conversation, which closes once it is out of this list. */
  conversationTools(messages) {
    const leaving = ["archive", "delete", "spam", "inbox"];
    const close = () => this.conversation.threadId && this.closeConversation();
    const leave = (run) => async () => (await run()) && close();
    return this.tools(messages, close).map((tool) => (leaving.includes(tool.icon) ? { ...tool, run: leave(tool.run) } : tool));
  }

  pickLabels(messages) {
    const ids = messages.map((message) => message.id);
    const standing = ids.map((id) => this.fold.messages.get(id)).filter(Boolean);
    pickLabels({ labels: this.fold.labelList(), messages: standing, set: (label, on) => this.commands.label(ids, label, on), makeNew: () => this.newLabel((id) => this.commands.label(ids, { id, name: "the new label" }, true)) });
  }

  newLabel(made = () => {}) {
    askLabelName({ title: "New label", verb: "Make", save: async (name) => made((await this.api.post("/v1/labels", { name })).id) });
  }

  renameLabel(id) {
    const label = this.fold.labelList().find((one) => one.id === id);
    askLabelName({ title: "Rename or move", name: label.path, verb: "Save", save: (name) => this.api.patch(`/v1/labels/${id}`, { name }) });
  }

  removeLabel(id) {
    const label = this.fold.labelList().find((one) => one.id === id);
    const run = () => this.api.delete(`/v1/labels/${id}`).catch(reportProblem);
    confirmThat({ title: `Delete “${labelPath(label)}”?`, text: "The messages stay: only the label goes. What is nowhere else moves to the archive.", verb: "Delete", run });
  }

  reply(message, how) {
    return this.composer.open(replyTo(message, how, this.own));
  }

  async replyToOpen(how) {
    try {
      const message = await this.conversation.newestWhole();
      if (message) await this.reply(message, how);
    } catch (error) {
      reportProblem(error);
    }
  }

  async openDraft(message) {
    try {
      let page = { cursor: null };
      let draft;
      do {
        page = await this.api.get("/v1/drafts", { cursor: page.cursor });
        draft = page.drafts.find((one) => one.message_id === message.id);
      } while (!draft && page.cursor);
      if (draft) await this.composer.openDraft(draft.id);
    } catch (error) {
      reportProblem(error);
    }
  }
}

function countText(label, rows) {
  if (label.unread) return `${label.unread} unread`;
  return rows.length ? plural(rows.length, "conversation") : "";
}
