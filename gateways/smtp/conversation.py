"""The conversation of SMTP (RFC 5321) and LMTP (RFC 2033), without sockets: octets in, actions out.

Whoever holds the socket hands in what arrives (`receive`), does the actions in their order, and answers those that
wait (`Drain` and the blocking ones) by `resume`; until then what arrives is only kept. Replies are gathered and sent
when no more input can be worked on, so a pipelined group (RFC 2920) is answered by one write.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

from domain.addresses import AddressInvalidError, EmailAddress
from gateways.reception import Verdict
from gateways.smtp import grammar, replies
from gateways.smtp.actions import Action, Consult, Discard, Judge, Outcome, Pause, Remember, StartTls
from gateways.smtp.client import Client
from gateways.smtp.dsn import DsnWishes
from gateways.smtp.exchange import Exchange, go_on
from gateways.smtp.greylist import ALWAYS, SUSPICIOUS, triplet_of
from gateways.smtp.host import Dialect, Host
from gateways.smtp.standing import Standing
from gateways.smtp.transaction import ParameterUnknownError, Transaction
from gateways.smtp.transfer import Transfer, pass_over

_CHUNK = re.compile(r"(\d{1,20})(?: +(LAST))?", re.ASCII | re.IGNORECASE)


class Conversation(Exchange):
    """What is answered to each command of one client."""

    commands: ClassVar[Mapping[str, Callable[[Any, str], None]]]
    """What each verb does, by its name in upper case: set below the class."""
    transfer: ClassVar[type[Transfer]] = Transfer
    transaction: ClassVar[type[Transaction]] = Transaction

    def __init__(self, host: Host, *, client: Client, offers_tls: bool = False) -> None:
        super().__init__(host)
        self._client = client
        self._offers_tls = offers_tls
        self._transaction: Transaction | None = None
        self._transfer: Transfer | None = None
        self._is_handshaking = False
        self._transactions = 0
        self._commands_without_mail = 0
        self._refused_recipients = 0
        self._standing: Standing | None = None
        self.step = self._command_step

    @property
    def greeting(self) -> bytes:
        protocol = "ESMTP" if self.host.dialect is Dialect.SMTP else "LMTP"
        return f"220 {self.host.hostname} {protocol} ledgermail\r\n".encode()

    @property
    def is_idle(self) -> bool:
        return self._transfer is None

    def secured(self, tls: str) -> list[Action]:
        """The handshake is done: everything known of the client is forgotten (RFC 3207 section 4.2)."""
        self._client = Client(self._client.address, tls)
        self._transaction = None
        self._is_handshaking = False
        return self.resume(None)

    def receive(self, data: bytes) -> list[Action]:
        if self._is_handshaking:
            return []  # in clear, behind STARTTLS: somebody put it there (CVE-2011-0411)
        return super().receive(data)

    # The lines

    def _command_step(self) -> bool:
        end = self.input.find(b"\n", self.at, self.at + self.host.limits.command_bytes) + 1
        if end > 0:
            line = self.take(end - self.at)
            self._command(line)
            return True
        if len(self.input) - self.at < self.host.limits.command_bytes:
            return False
        self.step = self._long_line_step
        self._too_long()
        return True

    def _too_long(self) -> None:
        self.fail(replies.COMMAND_TOO_LONG)

    def _long_line_step(self) -> bool:
        end = self.input.find(b"\n", self.at) + 1
        self.at = end or len(self.input)
        if end:
            self.step = self._command_step
        return end > 0

    def _command(self, line: bytes) -> None:
        self._commands_without_mail += 1
        if self._commands_without_mail > self.host.limits.commands_without_mail:
            self.end_because(replies.TOO_MANY_COMMANDS)
            return
        text = grammar.line_text(line)
        if text is None:
            self.fail(replies.COMMAND_GARBLED)
            return
        verb, _space, argument = text.partition(" ")
        try:
            self._perform(verb.upper(), argument.strip(" "))
        except grammar.ArgumentInvalidError:
            self.fail(replies.ARGUMENT_INVALID)
        except ParameterUnknownError:
            self.fail(replies.PARAMETER_UNKNOWN)

    def _perform(self, verb: str, argument: str) -> None:
        """Raises: ArgumentInvalidError, ParameterUnknownError."""
        self.commands.get(verb, Conversation._unknown)(self, argument)

    # The session: RFC 5321 sections 4.1.1.1 and 4.1.1.5 to 4.1.1.10

    def _helo(self, argument: str) -> None:
        if self.host.dialect is Dialect.LMTP:  # RFC 2033 section 4.1
            self.fail(replies.COMMAND_UNKNOWN)
        elif self._introduced(argument, is_extended=False):
            self.say(f"250 {self.host.hostname}\r\n".encode())

    def _ehlo(self, argument: str) -> None:
        self._extended_greeting(argument, Dialect.SMTP)

    def _lhlo(self, argument: str) -> None:
        self._extended_greeting(argument, Dialect.LMTP)

    def _extended_greeting(self, argument: str, dialect: Dialect) -> None:
        if self.host.dialect is not dialect:
            self.fail(replies.COMMAND_UNKNOWN)
        elif self._introduced(argument, is_extended=True):
            lines = [self.host.hostname, *self._extensions()]
            self.say("".join(f"250-{line}\r\n" for line in lines[:-1]).encode() + f"250 {lines[-1]}\r\n".encode())

    def _extensions(self) -> list[str]:
        tls = ["STARTTLS"] if self._offers_tls and self._client.tls is None else []
        size = f"SIZE {self.host.limits.message_bytes}"
        return ["PIPELINING", size, *tls, "8BITMIME", "SMTPUTF8", "CHUNKING", "ENHANCEDSTATUSCODES", "HELP"]

    def _introduced(self, name: str, *, is_extended: bool) -> bool:
        if not grammar.is_greeting_name(name):
            self.fail(replies.ARGUMENT_INVALID)
            return False
        self._client = replace(self._client, helo=name, is_extended=is_extended)
        self._reset()
        return True

    def _starttls(self, argument: str) -> None:
        grammar.refuse_argument(argument)
        if not self._offers_tls:
            self.fail(replies.COMMAND_REFUSED)
        elif self._client.tls is not None or self._transfer is not None:
            self.fail(replies.BAD_SEQUENCE)
        else:
            self.say(replies.READY_FOR_TLS)
            self.flush()
            self.input, self.at = b"", 0  # CVE-2011-0411
            self._is_handshaking = True
            self.wait(StartTls(), go_on)

    def _rset(self, argument: str) -> None:
        grammar.refuse_argument(argument)
        self._reset()
        self.say(replies.OK)

    def _noop(self, _argument: str) -> None:
        self.say(replies.OK)

    def _help(self, _argument: str) -> None:
        self.say(replies.HELP)

    def _vrfy(self, argument: str) -> None:
        if argument:
            self.say(replies.CANNOT_VERIFY)
        else:
            self.fail(replies.ARGUMENT_INVALID)

    def _expn(self, _argument: str) -> None:
        self.fail(replies.COMMAND_REFUSED)

    def _unknown(self, _argument: str) -> None:
        self.fail(replies.COMMAND_UNKNOWN)

    def _quit(self, argument: str) -> None:
        grammar.refuse_argument(argument)
        self.end(f"221 2.0.0 {self.host.hostname} Bye\r\n".encode())

    # The transaction: RFC 5321 sections 4.1.1.2 to 4.1.1.4

    def _mail(self, argument: str) -> None:
        if not self._client.helo or self._transaction is not None:
            self.fail(replies.BAD_SEQUENCE)
            return
        path, given = grammar.split_path(argument, "FROM")
        try:
            sender = grammar.reverse_path(path)
        except AddressInvalidError:
            self.fail(replies.SENDER_INVALID)
            return
        self._begin(self.transaction.begin(sender, given if self._client.is_extended else _no_parameters(given)), path)

    def _begin(self, transaction: Transaction, path: str) -> None:
        if not path.isascii() and not transaction.smtputf8:
            self.fail(replies.UTF8_NEEDED)
        elif (transaction.size_bytes or 0) > self.host.limits.message_bytes:
            self.say(replies.MESSAGE_TOO_LARGE)
        elif self._transactions >= self.host.limits.transactions:
            self.end_because(replies.TOO_MANY_MAILS)
        else:
            self._open(transaction)

    def _open(self, transaction: Transaction) -> None:
        self._transactions += 1
        self._transaction = transaction
        self.say(replies.SENDER_OK)

    def _rcpt(self, argument: str) -> None:
        transaction = self._transaction
        if transaction is None or self._transfer is not None:
            self.fail(replies.BAD_SEQUENCE)
            return
        path, given = grammar.split_path(argument, "TO")
        wishes = self._wishes(given)
        if len(transaction.recipients) >= self.host.limits.recipients:
            self.say(replies.TOO_MANY_RECIPIENTS)
        elif not path.isascii() and not transaction.smtputf8:
            self.fail(replies.UTF8_NEEDED)
        else:
            self._judge(path, transaction, wishes)

    def _wishes(self, given: str) -> DsnWishes:
        """What RCPT says besides whom it is for. Raises: ArgumentInvalidError, ParameterUnknownError."""
        _no_parameters(given)
        return DsnWishes()

    def _judge(self, path: str, transaction: Transaction, wishes: DsnWishes) -> None:
        try:
            recipient = grammar.forward_path(path)
        except grammar.AddressLiteralError:
            self._refuse_recipient(replies.RELAY_REFUSED)
        except AddressInvalidError:
            self.fail(replies.RECIPIENT_INVALID)
        else:
            self._consult(recipient, transaction, wishes)

    def _consult(self, recipient: EmailAddress, transaction: Transaction, wishes: DsnWishes) -> None:
        """Once a connection; whoever is listed can still write to postmaster and ask why (RFC 5321 section 4.5.1)."""
        if self._standing is None and self.host.asks_standing:
            self.wait(Consult(), lambda outcome: self._consulted(recipient, transaction, wishes, outcome))
        else:
            self._ask_for(recipient, transaction, wishes)

    def _consulted(
        self, recipient: EmailAddress, transaction: Transaction, wishes: DsnWishes, outcome: Outcome
    ) -> None:
        self._standing = outcome if isinstance(outcome, Standing) else Standing()
        self._ask_for(recipient, transaction, wishes)

    def _ask_for(self, recipient: EmailAddress, transaction: Transaction, wishes: DsnWishes) -> None:
        listed_by = "" if self._standing is None else self._standing.listed_by
        if listed_by and recipient.canonical.rpartition("@")[0] != "postmaster" and recipient.domain:
            self._refuse_recipient(replies.listed(listed_by))
            return
        judge = Judge(recipient, transaction.size_bytes)
        self.wait(judge, lambda outcome: self._judged(recipient, transaction, wishes, outcome))

    def _judged(self, recipient: EmailAddress, transaction: Transaction, wishes: DsnWishes, outcome: Outcome) -> None:
        if outcome is Verdict.ACCEPT and self._is_to_come_again:
            triplet = triplet_of(self._client.address, transaction.reverse_path, recipient)
            self.wait(Remember(triplet), lambda verdict: self._decided(recipient, transaction, wishes, verdict))
        else:
            self._decided(recipient, transaction, wishes, outcome)

    @property
    def _is_to_come_again(self) -> bool:
        """Whether a new client is asked to (RFC 6647); never one that an allow list has."""
        standing = self._standing or Standing()
        if self.host.greylisting == SUSPICIOUS:
            return standing.is_nameless
        return self.host.greylisting == ALWAYS and not standing.is_allowed

    def _decided(self, recipient: EmailAddress, transaction: Transaction, wishes: DsnWishes, outcome: Outcome) -> None:
        if outcome is Verdict.LATER:
            self.say(replies.on_recipient(outcome))
        elif outcome in (Verdict.ACCEPT, Verdict.ONLY_AUTOMATIC):
            transaction.add(recipient, wishes)
            if outcome is Verdict.ONLY_AUTOMATIC and transaction.reverse_path:
                transaction.only_automatic.add(recipient)
            self.say(replies.RECIPIENT_OK)
        else:
            self._refuse_recipient(replies.on_recipient(outcome))

    def _refuse_recipient(self, reply: bytes) -> None:
        self.say(reply)
        self._refused_recipients += 1
        limits = self.host.limits
        over = self._refused_recipients - limits.free_refused_recipients
        if self._refused_recipients >= limits.refused_recipients:
            self.end_because(replies.TOO_MANY_ERRORS)
        elif over > 0 and limits.refusal_pause_s > 0:  # whoever reads our directory by trying names reads slowly
            self.wait(Pause(min(over * limits.refusal_pause_s, limits.longest_refusal_pause_s)), go_on)

    def _data(self, argument: str) -> None:
        grammar.refuse_argument(argument)
        if self._transaction is None or self._transfer is not None:
            self.fail(replies.BAD_SEQUENCE)
        elif not self._transaction.recipients:
            self.fail(replies.NO_RECIPIENTS)
        else:
            self._begin_transfer(self._transaction).read_data()

    def _bdat(self, argument: str) -> None:
        """RFC 3030 section 2."""
        chunk = _CHUNK.fullmatch(argument)
        if chunk is None:  # where the chunk ends nobody knows, so what follows cannot be told from commands
            self.end(replies.ARGUMENT_INVALID)
            return
        size_bytes, is_last = int(chunk[1]), chunk[2] is not None
        if self._transaction is None or not self._transaction.recipients:
            missing = replies.BAD_SEQUENCE if self._transaction is None else replies.NO_RECIPIENTS
            pass_over(self, size_bytes, then=lambda: self._passed_over(missing))
            return
        self._commands_without_mail -= size_bytes > 0
        transfer = self._transfer or self._begin_transfer(self._transaction)
        transfer.read_chunk(size_bytes, is_last=is_last)

    def _begin_transfer(self, transaction: Transaction) -> Transfer:
        self._transfer = self.transfer(
            self, transaction, client=self._client, commands=self._await_command, done=self._end_transaction
        )
        return self._transfer

    def _await_command(self) -> None:
        self.step = self._command_step

    def _end_transaction(self, *, was_accepted: bool) -> None:
        if was_accepted:
            self._commands_without_mail = 0
        self._transaction = self._transfer = None
        self.step = self._command_step

    def _passed_over(self, reply: bytes) -> None:
        self.step = self._command_step
        self.fail(reply)

    def _reset(self) -> None:
        """Forget the transaction; what a chunk of it left in the spool goes too."""
        transfer, self._transaction, self._transfer = self._transfer, None, None
        if transfer is not None and transfer.is_spooled:
            self.wait(Discard(), go_on)


def _no_parameters(given: str) -> str:
    for keyword in grammar.parameters(given):
        raise ParameterUnknownError(keyword)
    return given


Conversation.commands = {
    "HELO": Conversation._helo,
    "EHLO": Conversation._ehlo,
    "LHLO": Conversation._lhlo,
    "STARTTLS": Conversation._starttls,
    "MAIL": Conversation._mail,
    "RCPT": Conversation._rcpt,
    "DATA": Conversation._data,
    "BDAT": Conversation._bdat,
    "RSET": Conversation._rset,
    "NOOP": Conversation._noop,
    "HELP": Conversation._help,
    "VRFY": Conversation._vrfy,
    "EXPN": Conversation._expn,
    "QUIT": Conversation._quit,
}
