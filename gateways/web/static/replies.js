// What a reply or a forward begins with.

import { longTime, personInFull, readPeople } from "./words.js";

const MOST_QUOTED = 20_000;

/** The fields of an answer to `message`: `how` is `one`, `all` or `forward`. */
export function replyTo(message, how, own) {
  if (how === "forward") return { to: [], cc: [], subject: prefixed("Fwd:", message.subject), text: `\n\n${forwarded(message)}` };
  const isMine = (person) => person.address.toLowerCase() === own;
  const sentByMe = message.from.some(isMine);
  const to = sentByMe ? message.to : answerTo(message);
  const others = how === "all" ? [...(sentByMe ? [] : message.to), ...message.cc] : [];
  return {
    to: distinct(to),
    cc: distinct(others.filter((person) => !isMine(person) && !to.some((one) => one.address === person.address))),
    subject: prefixed("Re:", message.subject),
    text: `\n\n${quoted(message)}`,
    in_reply_to: message.id,
  };
}

/** Where its author wants answers (RFC 5322 section 3.6.2). */
function answerTo(message) {
  const field = message.headers.find(({ name }) => name.toLowerCase() === "reply-to");
  const people = field ? readPeople(field.value).filter(({ address }) => address.includes("@")) : [];
  return people.length ? people : message.from;
}

function distinct(people) {
  return [...new Map(people.map((person) => [person.address.toLowerCase(), person])).values()];
}

function prefixed(prefix, subject) {
  return subject.toLowerCase().startsWith(prefix.toLowerCase()) ? subject : `${prefix} ${subject}`.trim();
}

function quoted(message) {
  const who = message.from.map(personInFull).join(", ");
  const lines = message.text.slice(0, MOST_QUOTED).trimEnd().split("\n");
  return [`On ${longTime(message.date ?? message.received_at)}, ${who} wrote:`, ...lines.map((line) => (line.startsWith(">") ? `>${line}` : `> ${line}`))].join("\n");
}

function forwarded(message) {
  const head = ["---------- Forwarded message ----------", `From: ${message.from.map(personInFull).join(", ")}`, `Date: ${longTime(message.date ?? message.received_at)}`, `Subject: ${message.subject}`, `To: ${message.to.map(personInFull).join(", ")}`];
  return `${head.join("\n")}\n\n${message.text.slice(0, MOST_QUOTED)}`;
}
