// A mail's HTML in a frame of its own: sandboxed without scripts, under a policy that loads nothing from elsewhere.
//
// The frame's document is fetched with that policy (`mail.html`, with the reader's consent `mail-remote.html`); the
// sanitised HTML is parsed by the frame's own parser, so that its policy, and never the page's, judges every style.

import { el } from "./elements.js";

/** A frame that is as high as the HTML in it. */
export function mailFrame(html, { remote, title }) {
  const frame = el("iframe", {
    class: "mail-frame",
    sandbox: "allow-same-origin allow-popups allow-popups-to-escape-sandbox",
    referrerpolicy: "no-referrer",
    title,
    src: remote ? "/web/mail-remote.html" : "/web/mail.html",
  });
  frame.addEventListener("load", () => fill(frame, html), { once: true });
  return frame;
}

function fill(frame, html) {
  const inside = frame.contentDocument;
  const parsed = new frame.contentWindow.DOMParser().parseFromString(html, "text/html");
  inside.body.append(...inside.adoptNode(parsed.body).childNodes);
  const fit = () => (frame.style.height = `${Math.ceil(inside.documentElement.getBoundingClientRect().height)}px`);
  new ResizeObserver(fit).observe(inside.documentElement);
  inside.addEventListener("load", fit, true);
  fit();
}
