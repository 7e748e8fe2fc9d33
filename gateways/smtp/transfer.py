"""The content of one transaction, by DATA (RFC 5321 section 4.1.1.4) or BDAT (RFC 3030), up to the final replies."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from gateways.authentication.evidence import Evidence
from gateways.envelope import Envelope, Recipient
from gateways.screening import Arrival, Screening
from gateways.smtp import replies
from gateways.smtp.actions import Accept, Discard, Outcome, Screen, Waiting, Write
from gateways.smtp.client import Client
from gateways.smtp.content import Content, DotStream
from gateways.smtp.exchange import Exchange
from gateways.smtp.host import Dialect
from gateways.smtp.transaction import Transaction


class Done(Protocol):
    """Called when a transaction is over."""

    def __call__(self, *, was_accepted: bool) -> None: ...


class Transfer:
    """Takes the content in and says what became of it.

    Calls `commands` when a chunk has ended and the transaction goes on, `done` when it is over.
    """

    def __init__(
        self,
        exchange: Exchange,
        transaction: Transaction,
        *,
        client: Client,
        commands: Callable[[], None],
        done: Done,
    ) -> None:
        self._exchange = exchange
        self._transaction = transaction
        self._client = client
        self._commands = commands
        self._done = done
        self._dots = DotStream()
        self._left_bytes = 0
        self._is_last = False
        self.is_spooled = False
        evidence = Evidence() if exchange.host.is_screened else None
        self._content = transaction.content = Content(exchange.host.limits, evidence)

    def read_data(self) -> None:
        """DATA was said: what follows is dot-stuffed content."""
        self._exchange.say(replies.DATA_GO_AHEAD)
        self._exchange.step = self._data_step

    def read_chunk(self, size_bytes: int, *, is_last: bool) -> None:
        """BDAT was said: the next octets are content as they are."""
        self._left_bytes, self._is_last = size_bytes, is_last
        self._exchange.step = self._chunk_step

    def _data_step(self) -> bool:
        exchange = self._exchange
        data = exchange.input[exchange.at :] if exchange.at else exchange.input
        if not data:
            return False
        content, used = self._dots.feed(data)
        exchange.at += len(data) if used < 0 else used
        self._content.add(content)
        if used >= 0:
            self._end()
        else:
            self._relieve()
        return True

    def _chunk_step(self) -> bool:
        data = self._exchange.take(self._left_bytes)
        self._left_bytes -= len(data)
        self._content.add(data)
        if self._relieve():
            return True
        if self._left_bytes == 0:
            self._end_chunk()
            return True
        return bool(data)

    def _relieve(self) -> bool:
        """Keep memory small: give what was gathered to the spool, and end what has no end."""
        if self._content.is_endless and self._content.fault:
            self._exchange.end(self._content.fault)
        elif self._content.is_due:
            self._exchange.wait(Write(self._content.take()), self._written)
        else:
            return False
        return True

    def _written(self, outcome: Outcome) -> None:
        if isinstance(outcome, BaseException):
            self.is_spooled = False
            self._content.refuse(replies.on_failure(outcome))
        else:
            self.is_spooled = True

    def _end_chunk(self) -> None:
        if self._is_last:
            self._end()
        elif self._content.fault is not None:
            self._refuse(self._exchange.say)
        else:
            self._exchange.say(replies.OK)
            self._commands()

    def _end(self) -> None:
        self._content.finish()
        looping = self._transaction.looping()
        asked = zip(self._transaction.recipients, self._transaction.wishes, strict=True)
        taken = [
            Recipient(str(recipient), wishes.orcpt, wishes.notify)
            for recipient, wishes in asked
            if recipient not in looping
        ]
        if looping and (self._is_smtp or not taken):
            self._content.refuse(replies.LOOP)
        if self._content.fault is not None:
            self._refuse(self._answer)
            return
        self._screen(self._envelope(taken))

    def _screen(self, envelope: Envelope) -> None:
        if self._content.evidence is None:
            self._accept(envelope)
            return
        arrival = Arrival(envelope.peer, envelope.helo, envelope.reverse_path, envelope.hostname)
        screen = Screen(arrival, self._content.evidence)
        self._exchange.wait(screen, lambda outcome: self._screened(envelope, outcome))

    def _screened(self, envelope: Envelope, outcome: Outcome) -> None:
        if not isinstance(outcome, Screening):  # whoever looks is broken: that never loses or blocks mail
            self._accept(envelope)
        elif outcome.is_refused:
            self._content.refuse(replies.refused_by_policy(outcome.author_domain))
            self._refuse(self._answer)
        else:
            self._accept(msgspec.structs.replace(envelope, screening=outcome))

    def _accept(self, envelope: Envelope) -> None:
        action = self._acceptance(envelope, self._content.take())
        self._exchange.wait(action, lambda outcome: self._accepted(envelope, outcome))

    def _acceptance(self, envelope: Envelope, last: bytes) -> Waiting:
        """What takes over responsibility for the message; `last` is what of its content is not spooled."""
        return Accept(envelope, last)

    def _reply_to_failure(self, failure: Outcome) -> bytes:
        return replies.on_failure(failure)

    def _refuse(self, say: Callable[[bytes], None]) -> None:
        """End the transaction with the content's fault, after the spool is gone."""
        fault = self._content.fault or replies.UNAVAILABLE

        def finish(_outcome: Outcome) -> None:
            say(fault)
            self._done(was_accepted=False)

        if self.is_spooled:
            self._exchange.wait(Discard(), finish)
        else:
            finish(None)

    def _accepted(self, envelope: Envelope, outcome: Outcome) -> None:
        failed = isinstance(outcome, BaseException)
        self._answer(self._reply_to_failure(outcome) if failed else replies.accepted(envelope.acceptance_id))
        self._exchange.accepted_mails += not failed
        self._done(was_accepted=not failed)

    def _answer(self, reply: bytes) -> None:
        """One reply for all, or one for each accepted recipient, in their order (RFC 2033 section 4.2)."""
        if self._is_smtp:
            self._exchange.say(reply)
            return
        looping = self._transaction.looping()
        for recipient in self._transaction.recipients:
            self._exchange.say(replies.LOOP if recipient in looping else reply)

    @property
    def _is_smtp(self) -> bool:
        return self._exchange.host.dialect is Dialect.SMTP

    def _envelope(self, recipients: list[Recipient]) -> Envelope:
        host, transaction = self._exchange.host, self._transaction
        return Envelope(
            acceptance_id=host.new_acceptance_id(),
            received_at=host.now_ms(),
            reverse_path=transaction.reverse_path,
            recipients=tuple(recipients),
            body_type=transaction.body_type,
            smtputf8=transaction.smtputf8,
            requiretls=False,
            ret=transaction.ret,
            envid=transaction.envid,
            helo=self._client.helo,
            peer=self._client.address,
            protocol=self._client.protocol(host.dialect, smtputf8=transaction.smtputf8),
            tls=self._client.tls,
            hostname=host.hostname,
            size_bytes=self._content.size_bytes,
            content_sha256=self._content.sha256,
        )


def pass_over(exchange: Exchange, size_bytes: int, *, then: Callable[[], None]) -> None:
    """Read past a chunk that belongs to no transaction, or its content would be taken for commands (RFC 3030)."""
    left_bytes = size_bytes

    def step() -> bool:
        nonlocal left_bytes
        passed = len(exchange.take(left_bytes))
        left_bytes -= passed
        if left_bytes == 0:
            then()
            return True
        return passed > 0

    exchange.step = step
