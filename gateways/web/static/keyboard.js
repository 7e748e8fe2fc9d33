// The keys. Nothing happens while one types or a question is open.

import { showKeys } from "./dialogs.js";

export const KEYS = [
  ["j / k", "next, previous conversation"],
  ["Enter", "open it"],
  ["Escape", "back to the list"],
  ["x", "select"],
  ["e", "archive"],
  ["#", "delete"],
  ["!", "spam"],
  ["s", "star"],
  ["u", "read or unread"],
  ["l", "label"],
  ["z", "snooze"],
  ["r / a / f", "reply, to all, forward"],
  ["c", "write"],
  ["/", "search"],
  ["v", "event stream"],
  ["Ctrl+Enter", "send"],
];

const BY_TOOL = { e: ["archive"], "#": ["delete"], "!": ["spam"], u: ["mail", "open"], s: ["star"], l: ["label"], z: ["snooze"] };

/** Listens for the page that `current()` gives, if any. */
export function listenToKeys(current, toggleEvents) {
  document.addEventListener("keydown", (event) => {
    const page = current();
    if (!page || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isBusy(event.target)) return;
    if (press(page, event.key, toggleEvents)) event.preventDefault();
  });
}

function isBusy(target) {
  return target.closest?.("input:not([type=checkbox]), textarea, select, dialog, .composer") !== null || document.querySelector("dialog[open]") !== null;
}

function press(page, key, toggleEvents) {
  const move = { j: 1, ArrowDown: 1, k: -1, ArrowUp: -1 }[key];
  if (move) return step(page, move, key);
  if (BY_TOOL[key]) return run(page, BY_TOOL[key]);
  const act = {
    x: () => page.list.toggleFocused(),
    c: () => page.composer.open(),
    r: () => page.replyToOpen("one"),
    a: () => page.replyToOpen("all"),
    f: () => page.replyToOpen("forward"),
    v: toggleEvents,
    "/": () => document.getElementById("search-box").focus(),
    "?": () => showKeys(KEYS),
    Escape: () => (page.list.selected.size ? page.list.selectNone() : page.conversation.threadId && page.closeConversation()),
  }[key];
  if (!act) return false;
  act();
  return true;
}

/** Arrows move only in the list; j and k also lead from one open conversation to the next. */
function step(page, by, key) {
  const inList = page.list.list.contains(document.activeElement);
  if (key.startsWith("Arrow") && !inList) return false;
  const row = page.list.step(by);
  if (row && page.conversation.threadId && !key.startsWith("Arrow")) page.openRow(row);
  return true;
}

/** On what is selected, else the open conversation, else the row at the keyboard's place. */
function run(page, icons) {
  const rows = page.list.selectedRows();
  const focused = page.list.row(page.list.focusedKey);
  const open = page.conversation.threadId ? page.conversation.messages() : null;
  const messages = rows.length ? rows.flatMap((row) => row.messages) : (open ?? focused?.messages ?? []);
  if (!messages.length) return false;
  const tools = rows.length || !open ? page.tools(messages) : page.conversationTools(messages);
  const tool = tools.find((one) => icons.includes(one.icon));
  tool?.run();
  return Boolean(tool);
}
