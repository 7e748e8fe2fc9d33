// Writing a mail: recipients, subject, text, files; saved as one writes, sent with time to think again.

import { randomKey } from "./api.js";
import { announce, el, icon, iconButton } from "./elements.js";
import { Draft } from "./draft.js";
import { PeopleInput } from "./people_input.js";
import { reportProblem, toast } from "./toasts.js";
import { upload } from "./uploads.js";
import { plural, sizeText } from "./words.js";

const LONGEST_COUNT_S = 3600;

/** The one composer of the page. */
export class Composer {
  constructor({ api }) {
    this.api = api;
    this.place = document.getElementById("composer-place");
    this.panel = null;
  }

  /** Opens with these fields; one that is open is saved and put away first. `standing` is a draft on the server. */
  async open(fields = {}, standing = null) {
    if (!(await this.close())) return;
    this.returnFocus = document.activeElement;
    this.fields = { to: [], cc: [], bcc: [], subject: "", text: "", ...fields };
    this.files = standing?.files ?? [];
    this.#build();
    this.draft = new Draft(this.api, { id: standing?.id, revision: standing?.revision, fields: () => this.#read(), files: () => this.files.filter((file) => file.id), status: (text, problem) => this.#say(text, problem) });
    if (standing) this.draft.stands();
    (this.fields.to.length ? this.text : this.to.input).focus();
    this.text.setSelectionRange(0, 0);
  }

  get isOpen() {
    return this.panel !== null;
  }

  /** Saves and puts away; whether it could. */
  async close() {
    if (!this.panel) return true;
    try {
      if (this.draft.id || this.#isWorthKeeping()) await this.draft.save();
    } catch (error) {
      this.#say(error.advice?.() ?? String(error), true);
      return false;
    }
    this.#leave();
    return true;
  }

  #build() {
    const changed = () => this.draft.changed();
    const people = (label, name) => new PeopleInput(this.api, { label, people: this.fields[name], changed });
    this.to = people("To", "to");
    this.cc = people("Cc", "cc");
    this.bcc = people("Bcc", "bcc");
    const more = el("button", { type: "button", class: "link more-fields", onclick: () => this.#showMore(more) }, "Cc, Bcc");
    this.cc.element.hidden = this.bcc.element.hidden = !this.fields.cc.length && !this.fields.bcc.length;
    more.hidden = !this.cc.element.hidden;
    this.subject = el("input", { class: "subject", value: this.fields.subject, maxlength: "900", oninput: changed });
    this.text = el("textarea", { class: "text", "aria-label": "Text", value: this.fields.text, oninput: changed });
    this.status = el("span", { class: "draft-status", role: "status" });
    this.fileList = el("ul", { class: "attachments" });
    const sendButton = el("button", { type: "submit", class: "primary send" }, icon("sent"), "Send");
    const form = el(
      "form",
      { onsubmit: (event) => (event.preventDefault(), this.#send(sendButton)), onkeydown: (event) => event.key === "Enter" && (event.ctrlKey || event.metaKey) && form.requestSubmit() },
      this.to.element,
      this.cc.element,
      this.bcc.element,
      el("label", { class: "field" }, el("span", { class: "field-name" }, "Subject"), el("span", { class: "field-place" }, this.subject, more)),
      this.text,
      this.fileList,
      el("div", { class: "composer-foot" }, sendButton, this.#fileButton(), this.status, iconButton("delete", "Throw the draft away", () => this.#discard())),
    );
    const head = el("header", { class: "composer-head" }, el("h2", { id: "composer-title" }, this.fields.in_reply_to || this.fields.isReply ? "Reply" : "New message"), iconButton("close", "Save and close", () => this.close()));
    this.panel = el("section", { class: "composer", role: "dialog", "aria-labelledby": "composer-title", onkeydown: (event) => event.key === "Escape" && this.close() }, head, form);
    this.#acceptFiles();
    this.#showFiles();
    this.place.replaceChildren(this.panel);
  }

  #showMore(button) {
    this.cc.element.hidden = this.bcc.element.hidden = false;
    button.hidden = true;
    this.cc.input.focus();
  }

  #read() {
    const fields = { to: this.to.people(), cc: this.cc.people(), bcc: this.bcc.people(), subject: this.subject.value, text: this.text.value };
    if (this.fields.hadHtml) fields.html = null; // it would say something else from now on
    return this.fields.in_reply_to ? { ...fields, in_reply_to: this.fields.in_reply_to } : fields;
  }

  #isWorthKeeping() {
    const { to, subject, text } = this.#read();
    if (this.files.length) return true;
    return this.fields.in_reply_to ? text !== this.fields.text : Boolean(to.length || subject || text.trim());
  }

  #say(text, problem = false) {
    this.status.textContent = text;
    this.status.classList.toggle("problem", problem);
  }

  // -- files

  #fileButton() {
    const input = el("input", { type: "file", multiple: true, hidden: true, onchange: () => (this.#addFiles(input.files), (input.value = "")) });
    return el("span", {}, input, iconButton("attach", "Attach files", () => input.click()));
  }

  #acceptFiles() {
    this.panel.addEventListener("dragover", (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
    this.panel.addEventListener("drop", (event) => (event.preventDefault(), this.#addFiles(event.dataTransfer.files)));
  }

  async #addFiles(list) {
    for (const file of list) {
      const entry = { key: randomKey(), name: file.name, size: file.size, id: null };
      this.files.push(entry);
      this.#showFiles();
      try {
        entry.id = await upload(this.api, file);
        this.draft.changed();
      } catch (error) {
        this.files.splice(this.files.indexOf(entry), 1);
        reportProblem(error);
      }
      this.#showFiles();
    }
  }

  #showFiles() {
    const remove = (file) => (this.files.splice(this.files.indexOf(file), 1), this.#showFiles(), this.draft.changed());
    this.fileList.replaceChildren(...this.files.map((file) => el("li", { class: "attachment" }, icon("attach"), el("span", { class: "attachment-name" }, file.name), el("span", { class: "muted" }, file.id ? sizeText(file.size) : "uploading …"), iconButton("close", `Remove ${file.name}`, () => remove(file)))));
  }

  // -- leaving

  async #send(button) {
    if (!this.#read().to.concat(this.#read().cc, this.#read().bcc).length) {
      this.#say("Say to whom it goes.", true);
      this.to.input.focus();
      return;
    }
    if (this.files.some((file) => !file.id)) return this.#say("A file is still on its way. Send when it is there.", true);
    button.disabled = true;
    try {
      const sent = await this.draft.send();
      const recipients = this.#read();
      this.#leave();
      this.#countDown(sent, recipients);
    } catch (error) {
      button.disabled = false;
      this.#say(error.advice?.() ?? String(error), true);
      reportProblem(error);
    }
  }

  /** Says how long sending can still be undone, then that it left. */
  #countDown(sent, { to, cc, bcc }) {
    const people = plural(to.length + cc.length + bcc.length, "recipient");
    const until = Math.min(Date.parse(sent.undo_until) || 0, Date.now() + LONGEST_COUNT_S * 1000);
    const left = () => Math.max(0, Math.ceil((until - Date.now()) / 1000));
    const notice = toast(`Sending to ${people} in ${left()} s`, { lasting: true, action: { label: "Undo", run: () => (clearInterval(timer), this.#undo(sent.submission_id)) } });
    announce("Sending; it can be undone for some seconds.");
    const timer = setInterval(() => {
      if (left() > 0) return notice.say(`Sending to ${people} in ${left()} s`);
      clearInterval(timer);
      notice.close();
      return toast(`Sent to ${people}`);
    }, 250);
  }

  async #undo(submissionId) {
    try {
      const { draft_id: id } = await this.api.post(`/v1/submissions/${submissionId}/undo`);
      if (id) await this.openDraft(id);
    } catch (error) {
      reportProblem(error);
    }
  }

  /** Opens a draft that stands on the server. */
  async openDraft(id) {
    const draft = await this.api.get(`/v1/drafts/${id}`);
    const files = draft.attachments.map((file) => ({ key: randomKey(), id: file.id, name: file.filename, size: file.size }));
    await this.open({ to: draft.to, cc: draft.cc, bcc: draft.bcc, subject: draft.subject, text: draft.text ?? "", isReply: draft.in_reply_to !== null, hadHtml: draft.html !== null }, { id, revision: draft.revision, files });
  }

  async #discard() {
    try {
      await this.draft.discard();
      this.#leave();
      toast("Draft thrown away");
    } catch (error) {
      reportProblem(error);
    }
  }

  #leave() {
    clearTimeout(this.draft.timer);
    this.panel.remove();
    this.panel = null;
    if (this.returnFocus?.isConnected) this.returnFocus.focus();
  }
}
