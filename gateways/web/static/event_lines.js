// What an event says, in one line.

import { labelPath, personName, plural } from "./words.js";

const KEYWORD_WORDS = {
  $seen: ["read", "unread"],
  $flagged: ["starred", "star taken off"],
  $answered: ["answered", "not answered"],
  $forwarded: ["forwarded", "not forwarded"],
  $junk: ["marked as spam", "spam mark taken off"],
  $notjunk: ["marked as no spam", "no-spam mark taken off"],
};

const BROWSERS = [
  ["Edge", /\bEdg\/(\d+)/],
  ["Opera", /\bOPR\/(\d+)/],
  ["Chrome", /Chrome\/(\d+)/],
  ["Firefox", /\bFirefox\/(\d+)/],
  ["Safari", /\bVersion\/(\d+).*Safari/],
];

const LINES = {
  MailboxOpened: ({ address }) => `Mailbox opened for ${address}`,
  MessageDelivered: ({ message }, names) => delivered(message, names),
  MessageReparsed: ({ subject }) => `Summary read anew: ${quoted(subject)}`,
  KeywordsChanged: ({ message_ids, added, removed }, names) => {
    const words = [...added.map((word) => keywordWord(word, 0)), ...removed.map((word) => keywordWord(word, 1))];
    return `${capital(words.join(", "))}: ${names.messages(message_ids)}`;
  },
  LabelsChanged: ({ message_ids, added, removed }, names) => `${moved(added, removed, names)}: ${names.messages(message_ids)}`,
  MessagesSnoozed: ({ message_ids, until }, names) => `Snoozed until ${new Date(until).toLocaleString()}: ${names.messages(message_ids)}`,
  SnoozeEnded: ({ message_ids }, names) => `Snooze ended: ${names.messages(message_ids)}`,
  MessagesDeleted: ({ message_ids, why }) => `${plural(message_ids.length, "message")} deleted for good (${why})`,
  ThreadsJoined: ({ message_ids }) => `Two conversations joined (${plural(message_ids.length, "message")} moved)`,
  SpamReported: ({ message_ids }, names) => `Reported as spam: ${names.messages(message_ids)}`,
  SpamCleared: ({ message_ids }, names) => `Reported as no spam: ${names.messages(message_ids)}`,
  LabelCreated: ({ name }) => `Label made: ${name}`,
  LabelChanged: ({ name }) => `Label renamed or moved: ${name}`,
  LabelDeleted: () => "Label deleted",
  DraftSaved: ({ revision }) => `Draft saved, revision ${revision}`,
  DraftDiscarded: ({ sent }) => (sent ? "Draft became a sent message" : "Draft thrown away"),
  SubmissionQueued: ({ recipient_count: count }) => `Handed over for sending to ${plural(count, "recipient")}`,
  SubmissionUndone: () => "Sending undone, the draft is back",
  SubmissionRejected: ({ reason }) => `Sending refused: ${reason}`,
  RecipientReported: ({ status, feedback, address, recipient }) =>
    `${feedback === "complaint" ? "Complained of" : capital(status)}: ${address || `recipient ${recipient + 1}`}`,
  AddressSuppressed: ({ address, why }) =>
    `Nothing more is sent to ${address}: ${why === "complaint" ? "a complaint came back" : "it takes no mail"}`,
  RecipientUnsubscribed: ({ address }) => `${address} unsubscribed from your mail to many`,
  SuppressionLifted: ({ address }) => `Mail to ${address} leaves again`,
  SendingRestricted: ({ blocked, why }) => `Sending is ${blocked ? "blocked" : "slowed to half"}: ${why}`,
  SenderFlagged: ({ why }) => `The operator looks at what is sent: ${why}`,
  SignInDemanded: ({ why }) => `Sign in again to send on: ${why}`,
  SendingAllowed: () => "Sending is free again",
  SignedIn: ({ address, protocol, client }) => `Signed in from ${address || "here"} with ${clientName(client) || protocol || "a client"}`,
  PasswordChanged: ({ by }) => `Password changed by ${by || "its owner"}`,
  SecondFactorAdded: () => "Second factor switched on: signing in asks for its code",
  SecondFactorRemoved: ({ by }) => `Second factor taken off by ${by === "operator" ? "the operator" : "its owner"}`,
  RecoveryCodeUsed: ({ left }) => `A recovery code was used, ${left} ${left === 1 ? "is" : "are"} left`,
  QuotaWarned: ({ level }) => `The mailbox is ${level} % full`,
  SettingsChanged: () => "Profile changed",
  ContactChanged: ({ name, removed }) => `Contact ${removed ? "removed" : "saved"}${name ? `: ${name}` : ""}`,
  VacationSet: () => "Automatic reply changed",
  RulesReplaced: () => "Filters changed",
};

/** One line for people. `names` knows the labels and the messages that the page keeps. */
export function eventLine(event, names) {
  if (event.redacted && !LINES[event.type]) return "No longer readable";
  const line = LINES[event.type];
  if (!line || !Object.keys(event.data).length) return event.redacted ? "No longer readable" : inWords(event.type);
  try {
    return line(event.data, names);
  } catch (error) {
    if (error instanceof TypeError) return inWords(event.type); // a form newer than this page
    throw error;
  }
}

/** The colour family of an event in the stream. */
export function eventKind(type) {
  if (/^(MessageDelivered|MessageReparsed|ThreadsJoined)$/.test(type)) return "mail";
  if (/^(Keywords|Labels|Label|Snooze|Messages)/.test(type)) return "change";
  if (/^(Draft|Submission|Recipient)/.test(type)) return "send";
  return "account";
}

function delivered(message, names) {
  const subject = quoted(message.subject);
  if (message.source === "draft") return `Draft written: ${subject}`;
  if (message.source === "sent") return `Sent message filed: ${subject}`;
  const where = (message.labels ?? []).map((id) => names.label(id)).join(", ");
  const from = message.from?.length ? personName(message.from[0]) : "nobody";
  return `Mail from ${from}: ${subject}${where && where !== "Inbox" ? ` (${where})` : ""}`;
}

function moved(added, removed, names) {
  const into = added.map((id) => names.label(id)).join(", ");
  const out = removed.map((id) => names.label(id)).join(", ");
  if (into && out) return `Moved from ${out} to ${into}`;
  return into ? `Put into ${into}` : `Taken out of ${out}`;
}

function keywordWord(word, taken) {
  return KEYWORD_WORDS[word]?.[taken] ?? (taken ? `“${word}” taken off` : `“${word}” put on`);
}

/** What a User-Agent field says to people: the browser and its version. */
function clientName(client) {
  const found = BROWSERS.map(([name, pattern]) => [name, pattern.exec(client)]).find(([, match]) => match);
  return found ? `${found[0]} ${found[1][1]}` : client.slice(0, 40);
}

const quoted = (subject) => subject || "(no subject)";
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
const inWords = (type) => capital(type.replace(/(?<!^)([A-Z])/g, " $1").toLowerCase());

/** Names for `eventLine` from what the fold keeps. */
export function namesOf(fold) {
  const subject = (id) => fold.messages.get(id)?.subject;
  return {
    label: (id) => (fold.labels.has(id) ? labelPath(fold.labels.get(id)) : id),
    messages: (ids) => (ids.length === 1 && fold.messages.has(ids[0]) ? quoted(subject(ids[0])) : plural(ids.length, "message")),
  };
}
