// What is done to messages. Each is one call; what it changed comes back as events and shows by the fold.

import { announce } from "./elements.js";
import { reportProblem, toast } from "./toasts.js";
import { labelPath, plural } from "./words.js";

const MOST_IDS = 1000;

/** The commands of the toolbar, the rows and the keys; `ids` are of messages. */
export class Commands {
  constructor({ api, fold }) {
    Object.assign(this, { api, fold });
  }

  keyword(ids, keyword, on) {
    return this.#modify(ids, on ? { add_keywords: [keyword] } : { remove_keywords: [keyword] });
  }

  archive(ids) {
    return this.#undoable(ids, "archived", (some) => this.#call("modify", some, { add_labels: ["ARCHIVE"], remove_labels: ["INBOX"] }));
  }

  delete(ids) {
    const forGood = ids.every((id) => this.fold.messages.get(id)?.labels.some((label) => label === "TRASH" || label === "SPAM"));
    if (forGood) return this.#quietly(async () => this.#said(await this.#each(ids, "delete"), `${plural(ids.length, "message")} deleted for good`));
    return this.#undoable(ids, "moved to the trash", (some) => this.#call("delete", some));
  }

  spam(ids, isSpam) {
    const verdict = isSpam ? "spam" : "not_spam";
    const action = { label: "Undo", run: () => this.#quietly(() => this.#each(ids, "report", { verdict: isSpam ? "not_spam" : "spam" })) };
    return this.#quietly(async () => {
      await this.#each(ids, "report", { verdict });
      return this.#said(null, `${plural(ids.length, "message")} ${isSpam ? "reported as spam" : "moved out of spam"}`, action);
    });
  }

  snooze(ids, until) {
    return this.#quietly(async () => {
      await this.#each(ids, "snooze", { until: until.toISOString() });
      return this.#said(null, `${plural(ids.length, "message")} away until ${until.toLocaleString([], { weekday: "short", hour: "2-digit", minute: "2-digit", day: "numeric", month: "short" })}`);
    });
  }

  async label(ids, label, on) {
    const done = await this.#modify(ids, on ? { add_labels: [label.id] } : { remove_labels: [label.id] });
    if (done) announce(`${plural(ids.length, "message")} ${on ? "labelled" : "no longer labelled"} ${labelPath(label)}`);
  }

  move(ids, labelId, from) {
    return this.#undoable(ids, "moved", (some) => this.#call("modify", some, { add_labels: [labelId], remove_labels: from ? [from] : [] }));
  }

  #modify(ids, changes) {
    return this.#quietly(() => this.#each(ids, "modify", changes));
  }

  /** Does it and offers to put each message back under the labels that it had. */
  #undoable(ids, word, run) {
    const before = new Map(ids.map((id) => [id, this.fold.messages.get(id)?.labels]));
    return this.#quietly(async () => {
      for (const some of inParts(ids)) await run(some);
      return this.#said(null, `${plural(ids.length, "message")} ${word}`, { label: "Undo", run: () => this.#quietly(() => this.#putBack(before)) });
    });
  }

  async #putBack(before) {
    const groups = new Map();
    for (const [id, labels] of before) {
      const now = this.fold.messages.get(id)?.labels;
      if (!labels || !now) continue;
      const changes = { add_labels: labels.filter((one) => !now.includes(one)), remove_labels: now.filter((one) => !labels.includes(one)) };
      const key = JSON.stringify(changes);
      groups.set(key, { changes, ids: [...(groups.get(key)?.ids ?? []), id] });
    }
    for (const group of groups.values()) await this.#each(group.ids, "modify", group.changes);
  }

  async #each(ids, call, fields = {}) {
    for (const some of inParts(ids)) await this.#call(call, some, fields);
    return true;
  }

  #call(call, ids, fields = {}) {
    return this.api.post(`/v1/messages/${call}`, { ids, ...fields });
  }

  #said(result, text, action = null) {
    toast(text, { action });
    return result ?? true;
  }

  async #quietly(run) {
    try {
      return await run();
    } catch (error) {
      reportProblem(error);
      return false;
    }
  }
}

function* inParts(ids) {
  for (let first = 0; first < ids.length; first += MOST_IDS) yield ids.slice(first, first + MOST_IDS);
}
