"""The conversation of submission (RFC 6409): that of SMTP, for those who sign in (RFC 4954)."""

import ipaddress
from collections.abc import Callable
from typing import ClassVar

from domain.addresses import AddressInvalidError, EmailAddress
from domain.times import rfc3339
from gateways.accounts import CredentialsInvalidError, Principal
from gateways.reception import Verdict
from gateways.sasl import MECHANISMS, Claim, ResponseInvalidError, TokenClaim, token_refused
from gateways.smtp import dsn, grammar
from gateways.smtp.actions import Action, Outcome, Own, Pause, SignIn
from gateways.smtp.admission import source_of
from gateways.smtp.client import Client
from gateways.smtp.conversation import Conversation
from gateways.smtp.dsn import DsnWishes
from gateways.smtp.host import Host
from gateways.smtp.replies import ARGUMENT_INVALID, BAD_SEQUENCE, RELAY_REFUSED
from gateways.smtp.transaction import ParameterUnknownError, Transaction
from gateways.smtp.transfer import Transfer
from gateways.submission import replies
from gateways.submission.handover import is_own
from gateways.submission.sign_in import CANCEL, Dialogue, encoded
from gateways.submission.tarpit import Tarpit
from gateways.submission.transaction import MAX_HOLD_MS, MAX_HOLD_S, SubmissionTransaction
from gateways.submission.transfer import SubmissionTransfer

MAX_FAILED_SIGN_INS = 5
"""On one connection, before it is ended."""

_NEEDS_SIGN_IN = frozenset({"MAIL", "RCPT", "DATA", "VRFY", "EXPN"})
_SENT_ANYWAY = frozenset({Verdict.NOT_SERVED, Verdict.FULL})
"""Mail to elsewhere is what submission is for; a full mailbox takes what is accepted here, as by HTTP."""


class SubmissionConversation(Conversation):
    """What is answered to each command of one client."""

    transfer: ClassVar[type[Transfer]] = SubmissionTransfer
    transaction: ClassVar[type[Transaction]] = SubmissionTransaction

    def __init__(self, host: Host, *, client: Client, tarpit: Tarpit, offers_tls: bool = False) -> None:
        super().__init__(host, client=client, offers_tls=offers_tls)
        self._tarpit = tarpit
        self._principal: Principal | None = None
        self._failed_sign_ins = 0
        self._responding: Callable[[str], None] | None = None

    def secured(self, tls: str) -> list[Action]:
        """As `Conversation.secured`: who signed in is forgotten, too."""
        self._principal = None
        return super().secured(tls)

    def _perform(self, verb: str, argument: str) -> None:
        if self._principal is None and verb in _NEEDS_SIGN_IN:
            self.fail(replies.SIGN_IN_FIRST)
        else:
            super()._perform(verb, argument)

    def _extensions(self) -> list[str]:
        mechanisms = [f"AUTH {' '.join(MECHANISMS)}"] if self._may_sign_in else []
        latest = f"{rfc3339(self.host.now_ms() + MAX_HOLD_MS)[:19]}Z"
        *others, last = super()._extensions()
        return [*others, *mechanisms, "DSN", f"FUTURERELEASE {MAX_HOLD_S} {latest}", last]

    def _help(self, _argument: str) -> None:
        self.say(replies.HELP)

    # Signing in: RFC 4954

    @property
    def _may_sign_in(self) -> bool:
        """Behind TLS, or where nobody can listen in between."""
        return self._client.tls is not None or _is_loopback(self._client.address)

    def _auth(self, argument: str) -> None:
        name, space, initial = argument.partition(" ")
        mechanism = MECHANISMS.get(name.upper())
        if not self._client.is_extended or self._principal is not None or self._transaction is not None:
            self.fail(BAD_SEQUENCE)
        elif not name:
            self.fail(ARGUMENT_INVALID)
        elif not self._may_sign_in:
            self.fail(replies.ENCRYPT_FIRST)
        elif mechanism is None:
            self.fail(replies.MECHANISM_UNKNOWN)
        else:
            dialogue = Dialogue(mechanism)
            self._responding = lambda text: self._heard(lambda: dialogue.answer(text))
            self._heard(lambda: dialogue.begin(initial if space else None))

    def _command(self, line: bytes) -> None:
        if self._responding is None:
            super()._command(line)
        elif not line.endswith(b"\r\n"):
            self._fail_sign_in(replies.RESPONSE_INVALID)
        elif (text := line[:-2].decode(errors="replace")) == CANCEL:
            self._fail_sign_in(replies.CANCELLED)
        else:
            self._responding(text)

    def _too_long(self) -> None:
        if self._responding is None:
            super()._too_long()
        else:
            self._fail_sign_in(replies.RESPONSE_TOO_LONG)

    def _heard(self, step: Callable[[], str | Claim]) -> None:
        try:
            said = step()
        except ResponseInvalidError:
            self._fail_sign_in(replies.RESPONSE_INVALID)
            return
        if isinstance(said, str):
            self.say(replies.challenge(said))
        else:
            self._responding = None
            sign_in = SignIn(said, self._client.address, self._client.helo)
            self.wait(sign_in, lambda outcome: self._signed_in(said, outcome))

    def _signed_in(self, claim: Claim, outcome: Outcome) -> None:
        if isinstance(outcome, Principal):
            self._principal = outcome
            self.say(replies.SIGNED_IN)
        elif isinstance(outcome, CredentialsInvalidError):
            self._failed_sign_ins += 1
            pause = Pause(self._tarpit.failed(source_of(self._client.address)))
            self.wait(pause, lambda _outcome: self._refuse_claim(claim))
        else:
            self.fail(replies.on_sign_in(outcome))

    def _refuse_claim(self, claim: Claim) -> None:
        if isinstance(claim, TokenClaim):  # RFC 7628 section 3.2.3: told first, then refused
            self._responding = lambda _text: self._fail_sign_in(replies.TOKEN_REFUSED)
            self.say(replies.challenge(encoded(token_refused())))
        else:
            self._fail_sign_in(replies.SIGN_IN_FAILED)

    def _fail_sign_in(self, reply: bytes) -> None:
        self._responding = None
        if self._failed_sign_ins >= MAX_FAILED_SIGN_INS:
            self.say(reply)
            self.end_because(replies.TOO_MANY_SIGN_INS)
        else:
            self.fail(reply)

    # The transaction

    def _begin(self, transaction: Transaction, path: str) -> None:
        assert isinstance(transaction, SubmissionTransaction), "as the class says"
        now_ms = self.host.now_ms()
        if transaction.send_at_ms(now_ms) > now_ms + MAX_HOLD_MS:
            self.fail(replies.RELEASE_TOO_LATE)
        else:
            transaction.principal = self._principal
            super()._begin(transaction, path)

    def _open(self, transaction: Transaction) -> None:
        """Only for a sender who is who signed in (RFC 6409 section 6.1); the null reverse-path is everybody's."""
        principal, sender = self._principal, transaction.reverse_path
        assert principal is not None, "MAIL is answered only then"
        try:
            address = EmailAddress.parse(sender) if sender else None
        except AddressInvalidError:
            self.say(replies.SENDER_NOT_OWN)
            return
        if address is None or is_own(principal, address):
            super()._open(transaction)
        else:
            self.wait(Own(principal, address), lambda outcome: self._open_if(transaction, outcome))

    def _open_if(self, transaction: Transaction, outcome: Outcome) -> None:
        if outcome is True:
            super()._open(transaction)
        else:
            self.say(replies.SENDER_NOT_OWN if outcome is False else replies.on_refusal(outcome))

    def _wishes(self, given: str) -> DsnWishes:
        if not self._client.is_extended:
            return super()._wishes(given)
        asked = grammar.parameters(given)
        for keyword in asked:
            if keyword not in ("NOTIFY", "ORCPT"):
                raise ParameterUnknownError(keyword)
        return DsnWishes(
            orcpt=dsn.orcpt(asked["ORCPT"]) if "ORCPT" in asked else None,
            notify=dsn.notify(asked["NOTIFY"]) if "NOTIFY" in asked else (),
        )

    def _judged(self, recipient: EmailAddress, transaction: Transaction, wishes: DsnWishes, outcome: Outcome) -> None:
        verdict = Verdict.ACCEPT if outcome in _SENT_ANYWAY else outcome
        super()._judged(recipient, transaction, wishes, verdict)

    def _refuse_recipient(self, reply: bytes) -> None:
        super()._refuse_recipient(replies.NO_ADDRESS_LITERALS if reply == RELAY_REFUSED else reply)


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


SubmissionConversation.commands = {
    **Conversation.commands,
    "AUTH": SubmissionConversation._auth,
    "HELP": SubmissionConversation._help,
}
