// Keeps the fold at the head of the log: snapshot, then pages of `/v1/sync`, then its live stream of events.

import { Problem, problemOf } from "./api.js";

const HISTORY = 40;
const SNAPSHOT_PAGE = 500;
const MAX_WAIT_MS = 20_000;
const SILENCE_MS = 75_000;

/** A mailbox followed live. `changed(events)` is told of what was folded, `status(word)` of the connection. */
export class LiveMailbox {
  constructor(api, fold, { changed, history, status, bootstrapped }) {
    Object.assign(this, { api, fold, changed, history, status, bootstrapped });
    this.stopping = new AbortController();
    this.mark = null; // a position and the hash of the log there: what a restored log would not have
  }

  stop() {
    this.stopping.abort();
  }

  /** Follows until stopped; every way of losing the connection leads back to where the fold stands. */
  async follow() {
    let failures = 0;
    let known = false;
    while (!this.stopping.signal.aborted) {
      try {
        if (!known) await this.#bootstrap();
        known = true;
        await this.#catchUp();
        failures = 0;
        await this.#listen();
      } catch (error) {
        if (this.stopping.signal.aborted || error.status === 401) return;
        if (error.status === 409) {
          known = false; // a restored or another log: what is kept here is not of it
          failures += 1;
          if (failures === 1) continue;
        }
        if (!(error instanceof Problem) && !(error instanceof TypeError) && error.name !== "AbortError") throw error;
        this.status("offline");
        failures += 1;
        await this.#pause(error.retryAfterS * 1000 || Math.min(MAX_WAIT_MS, 500 * 2 ** failures));
      }
    }
  }

  async #bootstrap() {
    this.status("loading");
    this.mark = null;
    let cursor = null;
    do {
      const page = await this.api.get("/v1/snapshot", { cursor, limit: SNAPSHOT_PAGE });
      this.fold.applySnapshot(page);
      cursor = page.cursor;
      this.changed([]);
    } while (cursor && !this.stopping.signal.aborted);
    const since = Math.max(0, this.fold.seq - HISTORY);
    this.bootstrapped();
    this.mark = { seq: since, hash: null };
  }

  /** From the last position whose hash is known: a log that differs there answers 409, what is known is passed over. */
  async #catchUp() {
    let more = true;
    while (more) {
      const page = await this.api.get("/v1/sync", { since: this.mark.seq, hash: this.mark.hash, limit: 500 });
      this.#take(page.events);
      this.mark = { seq: page.next, hash: page.next_hash };
      more = page.more;
    }
  }

  #take(events) {
    const known = events.filter((event) => event.seq <= this.fold.seq);
    const fresh = events.filter((event) => this.fold.apply(event));
    if (known.length) this.history(known);
    if (fresh.length) this.changed(fresh);
  }

  async #listen() {
    const since = this.fold.seq;
    const watch = new Watch(this.stopping.signal);
    const answer = await fetch(`/v1/sync?since=${since}`, {
      headers: { Accept: "text/event-stream", Authorization: `Bearer ${this.api.token}`, "Last-Event-ID": String(since) },
      signal: watch.signal,
      cache: "no-store",
    });
    if (!answer.ok) {
      const problem = await problemOf(answer);
      if (answer.status === 401) this.api.onSignedOut(problem);
      throw problem;
    }
    this.status("live");
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    const frames = new EventFrames();
    try {
      for (;;) {
        watch.heard();
        const { value, done } = await reader.read();
        if (done) throw new Problem(0, { detail: "the stream ended" });
        this.#take(frames.push(value));
      }
    } finally {
      watch.end();
    }
  }

  #pause(ms) {
    return new Promise((resume) => {
      const timer = setTimeout(resume, ms);
      const now = () => (clearTimeout(timer), resume());
      window.addEventListener("online", now, { once: true });
      this.stopping.signal.addEventListener("abort", now, { once: true });
    });
  }
}

/** Ends a stream when the line goes down or nothing at all was heard for too long: half-open connections say nothing. */
class Watch {
  constructor(outer) {
    this.controller = new AbortController();
    this.signal = this.controller.signal;
    const end = () => this.controller.abort();
    outer.addEventListener("abort", end, { once: true, signal: this.signal });
    window.addEventListener("offline", end, { once: true, signal: this.signal });
  }

  heard() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.controller.abort(), SILENCE_MS);
  }

  end() {
    clearTimeout(this.timer);
    this.controller.abort();
  }
}

/** The framing of server-sent events: chunks of text in, events out. Other frames are passed over. */
export class EventFrames {
  #rest = "";
  #data = [];

  push(chunk) {
    const lines = (this.#rest + chunk).split(/\r?\n/);
    this.#rest = lines.pop();
    const events = [];
    for (const line of lines) {
      if (line.startsWith("data:")) this.#data.push(line.slice(5).replace(/^ /, ""));
      if (line !== "" || !this.#data.length) continue;
      events.push(JSON.parse(this.#data.join("\n")));
      this.#data = [];
    }
    return events.filter((event) => Number.isInteger(event?.seq));
  }
}
