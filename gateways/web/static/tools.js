// What can be done with messages, by where they stand.

import { isStarred, isUnread } from "./fold.js";

/** Buttons `{icon, name, run}` for these messages in the list of `label` (null: a search, empty: all mail). */
export function toolsFor(messages, { label, commands, pickLabels, pickTime }) {
  const ids = messages.map((message) => message.id);
  const idsIn = (id) => messages.filter((message) => message.labels.includes(id)).map((message) => message.id);
  const received = messages.filter((one) => !one.labels.includes("SENT") && !one.labels.includes("DRAFTS")).map((one) => one.id);
  const [inbox, spam] = [idsIn("INBOX"), idsIn("SPAM")];
  const [unread, starred] = [messages.some(isUnread), messages.some(isStarred)];
  const forGood = label === "TRASH" || label === "SPAM";
  const tools = [
    inbox.length && { icon: "archive", name: "Archive", run: () => commands.archive(inbox) },
    (label === "TRASH" || label === "ARCHIVE") && { icon: "inbox", name: "Move to the inbox", run: () => commands.move(idsIn(label), "INBOX", label) },
    { icon: "delete", name: forGood ? "Delete for good" : "Delete", run: () => commands.delete(forGood ? idsIn(label) : ids) },
    spam.length && { icon: "inbox", name: "No spam", run: () => commands.spam(spam, false) },
    !spam.length && received.length && { icon: "spam", name: "Spam", run: () => commands.spam(received, true) },
    { icon: unread ? "open" : "mail", name: unread ? "Mark as read" : "Mark as unread", run: () => commands.keyword(ids, "$seen", unread) },
    { icon: "star", name: starred ? "Take the star off" : "Star", run: () => commands.keyword(ids, "$flagged", !starred) },
    { icon: "label", name: "Label", run: pickLabels },
    inbox.length && { icon: "snooze", name: "Snooze", run: () => pickTime((until) => commands.snooze(inbox, until)) },
  ];
  return tools.filter(Boolean);
}
