// A draft kept on the server while it is written: each save is a revision, and says which one it is made on.

import { Problem } from "./api.js";

const QUIET_MS = 1200;

/** Saves what `fields()` and `files()` give some time after the last change, one save at a time. */
export class Draft {
  constructor(api, { id = null, revision = null, fields, files, status }) {
    Object.assign(this, { api, id, revision, fields, files, status });
    this.saved = null;
    this.savedFiles = "";
    this.saving = Promise.resolve();
  }

  /** What is written now stands on the server already. */
  stands() {
    this.saved = JSON.stringify(this.fields());
    this.savedFiles = keysOf(this.files());
  }

  changed() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.save().catch((error) => this.status(error.advice?.() ?? String(error), true)), QUIET_MS);
  }

  /** Saves now, after the save under way. Rejects with a `Problem`. */
  save() {
    clearTimeout(this.timer);
    const next = this.saving.then(() => this.#save());
    this.saving = next.catch(() => {});
    return next;
  }

  async #save() {
    const [fields, files] = [this.fields(), this.files()];
    const [text, keys] = [JSON.stringify(fields), keysOf(files)];
    if (text === this.saved && keys === this.savedFiles) return;
    this.status("Saving …");
    const body = keys === this.savedFiles ? fields : { ...fields, attachment_ids: files.map((file) => file.id) };
    const answer = this.id ? await this.api.patch(`/v1/drafts/${this.id}`, body, { "If-Match": `"${this.revision}"` }) : await this.api.post("/v1/drafts", body);
    Object.assign(this, { id: answer.id, revision: answer.revision, saved: text });
    if (keys !== this.savedFiles) await this.#nameAnew(files);
    this.savedFiles = keys;
    this.status("Draft saved");
  }

  /** A revision names its files by their places in it: what was sent in this order now has these ids. */
  async #nameAnew(files) {
    if (!files.length) return;
    const { attachments } = await this.api.get(`/v1/drafts/${this.id}`);
    files.forEach((file, place) => (file.id = attachments[place].id));
  }

  /** Throws it away; one that is gone already is gone. */
  async discard() {
    clearTimeout(this.timer);
    await this.saving;
    if (!this.id) return;
    try {
      await this.api.delete(`/v1/drafts/${this.id}`);
    } catch (error) {
      if (!(error instanceof Problem) || error.code !== "draft_unknown") throw error;
    }
  }

  /** Hands it over for sending: `{submission_id, undo_until, …}`. */
  async send() {
    await this.save();
    return this.api.post(`/v1/drafts/${this.id}/send`, {});
  }
}

const keysOf = (files) => files.map((file) => file.key).join();
