// Puts the page together: who is signed in sees the mailbox, everybody else the way in.

import { icon } from "./elements.js";
import { listenToKeys } from "./keyboard.js";
import { MailboxPage } from "./mailbox_page.js";
import { SignIn, keepSession, keptSession } from "./sign_in.js";
import { reportProblem } from "./toasts.js";

const $ = (id) => document.getElementById(id);
const WIDE = window.matchMedia("(min-width: 1180px)");

let page = null;
const signIn = new SignIn(enter);

function enter(session) {
  keepSession(session);
  page = new MailboxPage(session, { signedOut: () => leave("The session has ended. Sign in again.") });
  page.start();
  showEvents(WIDE.matches);
  $("messages").focus({ preventScroll: true });
}

function leave(notice = "") {
  keepSession(null);
  page?.stop();
  page = null;
  signIn.show(notice);
}

async function signOut() {
  if (!(await page.composer.close())) return;
  try {
    await page.api.delete("/v1/sessions/current");
  } catch (error) {
    reportProblem(error);
  }
  if (page) leave();
}

function showEvents(open) {
  $("mailbox").classList.toggle("with-events", open);
  $("events-toggle").setAttribute("aria-expanded", String(open));
}

function toggleEvents() {
  showEvents(!$("mailbox").classList.contains("with-events"));
}

$("labels-toggle").append(icon("menu"));
$("sign-out").append(icon("signOut"));
$("sign-out").title = "Sign out";
$("events-close").append(icon("close"));
$("new-label").prepend(icon("plus"));
$("compose-button").prepend(icon("drafts"));
$("write-float").prepend(icon("drafts"));
$("sign-out-below").prepend(icon("signOut"));
document.querySelector(".search-icon").append(icon("search"));

$("sign-out").onclick = $("sign-out-below").onclick = signOut;
$("events-toggle").onclick = toggleEvents;
$("events-close").onclick = () => (showEvents(false), $("events-toggle").focus());
$("labels-toggle").onclick = () => page.showPane($("mailbox").dataset.pane === "labels" ? "list" : "labels");
$("compose-button").onclick = $("write-float").onclick = () => page.composer.open();
$("new-label").onclick = () => page.newLabel();
$("only-unread").onclick = () => page.toggleFilter("unread");
$("only-starred").onclick = () => page.toggleFilter("starred");
$("search").onsubmit = (event) => (event.preventDefault(), page.find($("search-box").value.trim()));
$("search-box").oninput = () => $("search-box").value || page.find("");
$("search-box").onkeydown = (event) => {
  if (event.key !== "Escape") return;
  $("search-box").value = "";
  page.find("");
  page.list.focus();
};
WIDE.addEventListener("change", () => page && showEvents(WIDE.matches));
window.addEventListener("beforeunload", (event) => {
  if (page?.composer.isOpen && page.composer.draft.id === null && page.composer.text.value.trim()) event.preventDefault();
});
listenToKeys(() => page, toggleEvents);

const session = keptSession();
if (session) enter(session);
else signIn.show();
