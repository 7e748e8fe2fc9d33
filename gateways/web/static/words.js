// How people, times and sizes are said.

const clock = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
const exactClock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const dayOfYear = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const fullDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", year: "numeric" });
const inFull = new Intl.DateTimeFormat(undefined, { dateStyle: "full", timeStyle: "short" });

const SYSTEM_NAMES = { INBOX: "Inbox", ARCHIVE: "Archive", SENT: "Sent", DRAFTS: "Drafts", TRASH: "Trash", SPAM: "Spam" };

/** A time as short as it is clear: the hour today, the day this year, else the date. */
export function shortTime(text, now = new Date()) {
  const time = new Date(text);
  if (Number.isNaN(time.getTime())) return "";
  if (time.toDateString() === now.toDateString()) return clock.format(time);
  return (time.getFullYear() === now.getFullYear() ? dayOfYear : fullDay).format(time);
}

export const exactTime = (text) => exactClock.format(new Date(text));
export const longTime = (text) => inFull.format(new Date(text));

export function sizeText(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let unit = 0;
  let size = bytes;
  for (; size >= 1024 && unit < units.length - 1; unit += 1) size /= 1024;
  return `${unit && size < 10 ? size.toFixed(1) : Math.round(size)} ${units[unit]}`;
}

const FATES = {
  queued: "waits to be sent",
  delivered: "delivered",
  relayed: "handed to the server of that address",
  deferred: "not yet: it is tried again",
  bounced: "could not be delivered",
  rejected: "was not sent",
  undone: "called back",
};

/** What became of a message for one recipient, with the other server's words where it said some. */
export function fateText({ status, attempts, last_reply: reply, next_attempt_at: next }) {
  const parts = [FATES[status] ?? status];
  if (status === "deferred" && next) parts.push(`next at ${shortTime(next)}`);
  if (attempts > 1) parts.push(plural(attempts, "attempt"));
  return parts.join(", ") + (reply && status !== "delivered" ? ` (${reply})` : "");
}

export const plural = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;
export const labelName = (label) => SYSTEM_NAMES[label.id] ?? label.name;
export const labelPath = (label) => SYSTEM_NAMES[label.id] ?? label.path ?? label.name;

/** Whom an address stands for: the name that a header gave, else the address. */
export const personName = (address) => address.name || address.address || "(nobody)";

/** As it is written in a header: `Name <address>`. */
export function personInFull({ name, address }) {
  if (!name) return address;
  return /^[\p{L}\p{N} '._-]+$/u.test(name) ? `${name} <${address}>` : `"${name.replace(/["\\]/g, "\\$&")}" <${address}>`;
}

/** The people of a conversation by first name, oneself as “me”. */
export function peopleText(messages, own) {
  const names = new Map();
  for (const message of messages) {
    for (const person of message.from) {
      const isMe = person.address.toLowerCase() === own;
      names.set(person.address.toLowerCase(), isMe ? "me" : personName(person));
    }
  }
  const all = [...names.values()];
  if (all.length < 2) return all[0] ?? "(no sender)";
  return all.map((name) => name.split(/[ ,]+/)[0]).slice(0, 3).join(", ") + (all.length > 3 ? " …" : "");
}

/** The addresses in what was typed between commas or semicolons: `[{name, address}]`. */
export function readPeople(text) {
  const found = [];
  for (const part of text.match(/(?:"(?:\\.|[^"\\])*"|[^,;"])+/g) ?? []) {
    const piece = part.trim();
    if (!piece) continue;
    const angle = /^(.*?)\s*<([^<>]+)>$/s.exec(piece);
    const name = angle ? angle[1].trim().replace(/^"(.*)"$/s, "$1").replace(/\\(.)/g, "$1") : "";
    found.push({ name, address: (angle ? angle[2] : piece).trim() });
  }
  return found;
}
