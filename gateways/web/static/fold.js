// What the page keeps of a mailbox: a fold of the snapshot's pages and of the events after it.
//
// An event whose seq is not above a summary's is already in that summary; unknown types, fields and messages are passed
// over; counts are counted from the messages kept, or, until the snapshot is complete, are those of its first page.

export const SYSTEM_LABELS = ["INBOX", "ARCHIVE", "SENT", "DRAFTS", "TRASH", "SPAM"];
const ROLES = { INBOX: "inbox", ARCHIVE: "archive", SENT: "sent", DRAFTS: "drafts", TRASH: "trash", SPAM: "junk" };
const REDACTED = { from: [], to: [], cc: [], subject: "", snippet: "", date: null, attachments: [], redacted: true };
const PERSONAL = ["from", "to", "cc", "subject", "snippet", "date", "attachments"];

export const isUnread = (message) => !message.keywords.includes("$seen") && !message.keywords.includes("$draft");
export const isStarred = (message) => message.keywords.includes("$flagged");

/** The messages and labels of one mailbox; `seq` is the position that they stand at. */
export class MailboxFold {
  constructor() {
    this.clear();
  }

  clear() {
    this.seq = 0;
    this.complete = false;
    this.messages = new Map();
    this.labels = new Map();
    this.sorted = null;
  }

  /** One page of `/v1/snapshot`; the first replaces whatever was kept. */
  applySnapshot(page) {
    if (page.labels) {
      this.clear();
      for (const label of page.labels) this.labels.set(label.id, { ...label });
    }
    page.messages.forEach((summary) => this.#keep(summary));
    this.seq = page.seq;
    this.complete = !page.cursor;
  }

  /** One event; whether it is the next one. What came before is passed over. */
  apply(event) {
    if (event.seq <= this.seq) return false;
    const change = CHANGES[event.type];
    if (change && Object.keys(event.data).length) change(this, event.data, event.seq, event.redacted === true);
    this.seq = event.seq;
    return true;
  }

  /** All messages, newest (`listed_at`, id) first. */
  newestFirst() {
    this.sorted ??= [...this.messages.values()].sort(newerFirst);
    return this.sorted;
  }

  /** Label objects with `path`, `depth`, `total` and `unread`: the system's first, then by path. */
  labelList() {
    const counts = this.complete ? this.#counted() : null;
    const labels = [...this.labels.values()].map((label) => {
      const above = this.#above(label);
      const path = [...above.map((parent) => parent.name), label.name].join("/");
      return { ...label, ...(counts?.get(label.id) ?? {}), path, depth: above.length };
    });
    return labels.sort(byPlaceAndPath);
  }

  #counted() {
    const counts = new Map([...this.labels.keys()].map((id) => [id, { total: 0, unread: 0 }]));
    for (const message of this.messages.values()) {
      const unread = isUnread(message) ? 1 : 0;
      for (const id of message.labels) {
        const count = counts.get(id);
        if (!count) continue;
        count.total += 1;
        count.unread += unread;
      }
    }
    return counts;
  }

  #above(label) {
    const parents = [];
    let parent = this.labels.get(label.parent_id);
    while (parent && parent !== label && !parents.includes(parent)) {
      parents.unshift(parent);
      parent = this.labels.get(parent.parent_id);
    }
    return parents;
  }

  #keep(summary) {
    const kept = this.messages.get(summary.id);
    if (kept && kept.seq >= summary.seq) return;
    this.messages.set(summary.id, summary);
    this.sorted = null;
  }

  /** Puts something new in the place of the messages that do not yet hold the event of this seq. */
  change(ids, seq, changed) {
    for (const id of ids) {
      const kept = this.messages.get(id);
      if (kept && kept.seq < seq) this.messages.set(id, { ...changed(kept), seq });
    }
    this.sorted = null;
  }

  deliver(summary) {
    this.#keep(summary);
  }

  drop(id) {
    const message = this.messages.get(id);
    this.messages.delete(id);
    this.sorted = null;
    return message;
  }

  name(id, fields, seq) {
    const label = this.labels.get(id) ?? { id, seq: 0, total: 0, unread: 0 };
    if (label.seq < seq) this.labels.set(id, { ...label, ...fields, seq });
  }
}

const CHANGES = {
  MessageDelivered(fold, { message }, seq, redacted) {
    const personal = redacted ? REDACTED : {};
    fold.deliver({ ...message, ...personal, labels: [...message.labels].sort(), keywords: [...message.keywords].sort(), seq });
  },
  MessageReparsed(fold, data, seq, redacted) {
    const personal = redacted ? REDACTED : picked(data, PERSONAL);
    fold.change([data.message_id], seq, ({ redacted: _, ...kept }) => ({ ...kept, ...personal, has_attachment: data.has_attachment }));
  },
  KeywordsChanged(fold, data, seq) {
    fold.change(data.message_ids, seq, (kept) => ({ ...kept, keywords: changedSet(kept.keywords, data) }));
  },
  LabelsChanged(fold, data, seq) {
    fold.change(data.message_ids, seq, (kept) => ({ ...kept, labels: changedSet(kept.labels, data) }));
  },
  MessagesSnoozed(fold, data, seq) {
    fold.change(data.message_ids, seq, (kept) => kept);
  },
  SnoozeEnded(fold, data, seq) {
    fold.change(data.message_ids, seq, (kept) => ({ ...kept, listed_at: data.listed_at ?? kept.listed_at }));
  },
  MessagesDeleted(fold, data) {
    data.message_ids.forEach((id) => fold.drop(id));
  },
  ThreadsJoined(fold, data, seq) {
    data.message_ids.forEach((id, place) => {
      const old = fold.drop(id);
      if (old) fold.deliver({ ...old, id: data.new_ids[place], thread_id: data.into, seq });
    });
  },
  MailboxOpened(fold, data, seq) {
    SYSTEM_LABELS.forEach((id) => fold.name(id, { name: id, parent_id: null, role: ROLES[id] }, seq));
  },
  LabelCreated(fold, data, seq) {
    fold.name(data.label_id, picked(data, ["name", "parent_id", "role"]), seq);
  },
  LabelChanged(fold, data, seq) {
    if (fold.labels.has(data.label_id)) fold.name(data.label_id, picked(data, ["name", "parent_id"]), seq);
  },
  LabelDeleted(fold, data) {
    fold.labels.delete(data.label_id);
  },
};

function picked(object, names) {
  return Object.fromEntries(names.map((name) => [name, object[name]]));
}

function changedSet(before, { added, removed }) {
  return [...new Set([...before.filter((one) => !removed.includes(one)), ...added])].sort();
}

function newerFirst(one, other) {
  if (one.listed_at !== other.listed_at) return one.listed_at < other.listed_at ? 1 : -1;
  return one.id < other.id ? 1 : -1;
}

function byPlaceAndPath(one, other) {
  const place = (label) => (SYSTEM_LABELS.indexOf(label.id) + 1 || SYSTEM_LABELS.length + 1);
  return place(one) - place(other) || one.path.localeCompare(other.path) || (one.id < other.id ? -1 : 1);
}
