// Calls of the HTTP API, and what to do next where one is refused.

const RETRY_AFTER_MS = [400, 1600];

const ADVICE = {
  address_taken: "Somebody has this address. Choose another.",
  address_invalid: "This cannot be an address here. Use letters, digits, dots and hyphens before the @.",
  already_sent: "It has left already. Write another mail to correct it.",
  attachment_infected: "A virus was found in this file. Remove it from the mail.",
  attachment_too_large: "The file is above 25 MB. Share it another way, or send a smaller one.",
  behind: "The mailbox is catching up. Try again in a moment.",
  credentials_invalid: "Address and password do not belong together. Check both and try again.",
  domain_not_served: "Accounts are opened only for the domains of this server. Change what follows the @.",
  draft_changed: "This draft was changed elsewhere. Open it again from Drafts to go on with the newer one.",
  draft_unknown: "This draft is gone: sent or thrown away elsewhere.",
  label_exists: "There is a label of this name already. Choose another name.",
  label_has_children: "Other labels are nested in this one. Delete those first.",
  label_invalid: "This cannot be a label's name. Use a short name; “/” nests one label in another.",
  label_reserved: "Labels of the system stay as they are. Make one of your own.",
  mailbox_full: "The mailbox is full. Delete what is no longer needed, then empty the trash.",
  message_unknown: "Some of these messages are gone. Choose again.",
  query_invalid: "The search cannot be read.",
  rate_limited: "That was too much at once.",
  recipients_invalid: "Check the addresses of the recipients.",
  restoring: "This old mail lies in the archive. It was asked for and can be read in some hours.",
  registration_closed: "New accounts are opened by the operator here. Ask for one.",
  search_unavailable: "Search rests for a moment. Try again shortly.",
  sign_in_required: "Much more was sent than usual. Sign out and in again, then send.",
  snooze_invalid: "Choose a time that is still to come.",
  storage_full: "The server has no room left. Tell its operator.",
  totp_required: "Enter the code of your second factor too.",
};

/** A refusal in the form of RFC 9457, or (status 0) no answer at all. */
export class Problem extends Error {
  constructor(status, body, retryAfterS) {
    super(body.detail || body.title || `the server answered ${status}`);
    this.status = status;
    this.body = body;
    this.code = body.code || "";
    this.retryAfterS = retryAfterS;
  }

  /** One or two sentences for the person who reads: what is wrong and what to do. */
  advice() {
    if (this.status === 0) return "The server cannot be reached. Check the connection and try again.";
    const wait = this.retryAfterS ? ` Try again in ${this.retryAfterS} s.` : "";
    if (ADVICE[this.code]) return ADVICE[this.code] + (this.code === "query_invalid" ? ` ${this.message}` : "") + wait;
    if (this.status >= 500) return `The server has trouble at present. Try again shortly.${wait}`;
    return `${this.message.charAt(0).toUpperCase()}${this.message.slice(1).replace(/\.?$/, ".")}${wait}`;
  }
}

/** The API for one token. `onSignedOut` is told when the token is no longer good. */
export class Api {
  constructor(token, onSignedOut = () => {}) {
    this.token = token;
    this.onSignedOut = onSignedOut;
  }

  get(path, query = {}) {
    return this.json("GET", withQuery(path, query));
  }

  post(path, body) {
    return this.json("POST", path, { body, headers: { "Idempotency-Key": randomKey() } });
  }

  patch(path, body, headers = {}) {
    return this.json("PATCH", path, { body, headers });
  }

  delete(path) {
    return this.json("DELETE", path);
  }

  async json(method, path, options) {
    const answer = await this.send(method, path, options);
    return answer.status === 204 ? null : answer.json();
  }

  /** The response, once it is a good one. What was not heard is said again; the server knows it by its key. */
  async send(method, path, { body, headers = {}, signal } = {}) {
    const all = { ...headers };
    if (this.token) all.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) all["Content-Type"] = "application/json";
    const request = { method, headers: all, signal, body: body === undefined ? undefined : JSON.stringify(body) };
    const repeatable = method === "GET" || "Idempotency-Key" in headers;
    const answer = await heard(path, request, repeatable ? RETRY_AFTER_MS : []);
    if (answer.ok && !isProblem(answer)) return answer;
    const problem = await problemOf(answer);
    if (answer.status === 401 && this.token) this.onSignedOut(problem);
    throw problem;
  }
}

async function heard(path, request, waits) {
  try {
    return await fetch(path, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (!waits.length) throw new Problem(0, { detail: "no answer" });
    await new Promise((resume) => setTimeout(resume, waits[0]));
    return heard(path, request, waits.slice(1));
  }
}

/** Also some whose status is a good one: 202 for what is still to be brought from the archive. */
function isProblem(answer) {
  return (answer.headers.get("Content-Type") || "").startsWith("application/problem+json");
}

/** What a response that is no good one says. */
export async function problemOf(answer) {
  const type = answer.headers.get("Content-Type") || "";
  const body = type.includes("json") ? await answer.json() : {};
  return new Problem(answer.status, body, Number(answer.headers.get("Retry-After")) || 0);
}

function withQuery(path, query) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== "");
  return given.length ? `${path}?${new URLSearchParams(given)}` : path;
}

/** A key that no other call bears. */
export function randomKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
