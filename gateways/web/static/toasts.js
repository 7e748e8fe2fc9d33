// Short notices at the foot of the page, each with at most one thing to do about it.

import { el, iconButton } from "./elements.js";

const SHOWN_MS = 7000;
const PROBLEM_MS = 12_000;

/** Shows a notice; `action` is `{label, run}`. Returns the notice: `say(text)` changes it, `close()` takes it away. */
export function toast(text, { action = null, problem = false, lasting = false } = {}) {
  const line = el("span", { class: "toast-text" }, text);
  const notice = el("div", { class: `toast${problem ? " toast-problem" : ""}`, role: problem ? "alert" : "status" }, line);
  let timer = null;
  const close = () => (clearTimeout(timer), notice.remove());
  if (action) {
    const run = () => (close(), action.run());
    notice.append(el("button", { type: "button", class: "link", onclick: run }, action.label));
  }
  notice.append(iconButton("close", "Dismiss", close));
  document.getElementById("toasts").append(notice);
  const wait = () => (timer = lasting ? null : setTimeout(close, problem ? PROBLEM_MS : SHOWN_MS));
  notice.addEventListener("pointerenter", () => clearTimeout(timer));
  notice.addEventListener("pointerleave", wait);
  wait();
  return { say: (words) => (line.textContent = words), close };
}

/** Shows what went wrong as what to do next. What is no refusal of the API is a mistake of ours: it goes on up. */
export function reportProblem(error) {
  if (error.name === "AbortError" || error.status === 401) return;
  if (typeof error.advice !== "function") throw error;
  toast(error.advice(), { problem: true });
}
