// The rows of a list: the conversations of a label by their newest message there.

import { isStarred, isUnread } from "./fold.js";

/** Rows `{key, messages, newest, unread, starred}`, newest first; without a label all mail. */
export function conversationRows(newestFirst, { label, unread, starred }) {
  const rows = new Map();
  for (const message of newestFirst) {
    if (label && !message.labels.includes(label)) continue;
    const row = rows.get(message.thread_id);
    if (row) row.messages.push(message);
    else rows.set(message.thread_id, { key: message.thread_id, messages: [message] });
  }
  const all = [...rows.values()].map(withState);
  return all.filter((row) => (!unread || row.unread) && (!starred || row.starred));
}

/** Rows of what a search found: each message by itself, with its highlights, in its present state. */
export function foundRows(found, messages) {
  return found
    .filter((hit) => messages.has(hit.id))
    .map((hit) => ({ ...withState({ key: `found-${hit.id}`, messages: [messages.get(hit.id)] }), highlights: hit.highlights ?? {} }));
}

function withState(row) {
  row.newest = row.messages[0];
  row.unread = row.messages.some(isUnread);
  row.starred = row.messages.some(isStarred);
  return row;
}
