// A draft kept on the server while it is written: each save is a revision, and says which one it is made on.

import { Problem } from "./api.js";

const QUIET_MS = 1200;

/** Saves what `fields()` gives some time after the last change, one save at a time. */
export class Draft {
  constructor(api, { id = null, revision = null, fields, status }) {
    Object.assign(this, { api, id, revision, fields, status });
    this.saved = null;
    this.saving = Promise.resolve();
  }

  /** What stands on the server already. */
  standsAt(fields) {
    this.saved = JSON.stringify(fields);
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
    const fields = this.fields();
    const text = JSON.stringify(fields);
    if (text === this.saved) return;
    this.status("Saving …");
    const answer = this.id ? await this.api.patch(`/v1/drafts/${this.id}`, fields, { "If-Match": `"${this.revision}"` }) : await this.api.post("/v1/drafts", fields);
    this.id = answer.id;
    this.revision = answer.revision;
    this.saved = text;
    this.status("Draft saved");
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
