// Signing in, and opening an account where anyone may.

import { Api, Problem } from "./api.js";

const KEPT = "ledgermail.session";

/** The session of this tab: `{token, account_id, address}`; null where nobody is signed in. */
export function keptSession() {
  return JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
}

export function keepSession(session) {
  if (session) sessionStorage.setItem(KEPT, JSON.stringify(session));
  else sessionStorage.removeItem(KEPT);
}

/** Shows the form until somebody is signed in; then `signedIn(session)`. */
export class SignIn {
  constructor(signedIn) {
    this.signedIn = signedIn;
    this.api = new Api(null);
    this.registering = false;
    this.main = document.getElementById("sign-in");
    const part = (name) => document.getElementById(`sign-in-${name}`);
    Object.assign(this, { form: part("form"), address: part("address"), name: part("name"), password: part("password"), totp: part("totp"), problem: part("problem"), submit: part("submit"), other: part("switch"), question: part("question") });
    this.form.onsubmit = (event) => (event.preventDefault(), this.#go());
    this.other.onclick = () => this.#switch(!this.registering);
  }

  show(notice = "") {
    this.main.hidden = false;
    this.problem.textContent = notice;
    this.address.focus();
  }

  #switch(registering) {
    this.registering = registering;
    this.main.querySelector(".register-only").hidden = !registering;
    this.submit.textContent = registering ? "Create the account" : "Sign in";
    this.question.textContent = registering ? "Have one already?" : "New here?";
    this.other.textContent = registering ? "Sign in" : "Create an account";
    this.password.autocomplete = registering ? "new-password" : "current-password";
    this.problem.textContent = "";
    this.address.focus();
  }

  async #go() {
    const missing = [this.address, this.password].find((input) => !input.value);
    if (missing) {
      this.problem.textContent = missing === this.address ? "Enter the address, like ada@example.test." : "Enter the password too.";
      return missing.focus();
    }
    this.submit.disabled = true;
    this.problem.textContent = "";
    try {
      await this.#enter({ address: this.address.value.trim(), password: this.password.value });
    } catch (error) {
      this.#refused(error);
    } finally {
      this.submit.disabled = false;
    }
    return undefined;
  }

  async #enter(who) {
    if (this.registering) await this.api.post("/v1/accounts", { ...who, display_name: this.name.value.trim() || undefined });
    const totp = this.totp.value.trim();
    const { token } = await this.api.json("POST", "/v1/sessions", { body: totp ? { ...who, totp } : who });
    const account = await new Api(token).get("/v1/account");
    this.password.value = this.totp.value = "";
    this.#switch(false);
    this.main.hidden = true;
    this.signedIn({ token, account_id: account.account_id, address: account.address });
  }

  #refused(error) {
    if (!(error instanceof Problem)) throw error;
    this.problem.textContent = error.advice();
    if (error.code === "registration_closed") {
      this.#switch(false);
      this.problem.textContent = error.advice();
      this.other.parentElement.hidden = true;
    }
    if (error.code === "credentials_invalid" && this.totp.value) {
      this.problem.textContent = "Address, password and code do not belong together. A code is good once: wait for the next one.";
      return this.totp.select();
    }
    if (error.code === "totp_required") {
      this.main.querySelector(".totp-only").hidden = false;
      this.totp.focus();
    } else this.password.select();
    return undefined;
  }
}
