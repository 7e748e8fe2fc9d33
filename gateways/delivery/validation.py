"""What stands between a claimed submission and its hand-over: checks side by side, each with a deadline.

One row a submission, one column a check (`Findings`): what a check has said stands, whatever crashes, and is not asked
again. A check that has not answered in time leaves its column empty, and the submission waits: it is never sent away.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor, Future, wait
from functools import cached_property
from typing import Final, Protocol

import msgspec

from gateways.authentication.evidence import SAMPLE_BYTES
from gateways.blobs import Blobs
from gateways.delivery.outbox import Sending
from gateways.mime.holes import is_packed
from gateways.mime.parse import parse
from gateways.mime.structure import ParsedMessage
from gateways.told_mail import ToldMail, read_told_mail

DEADLINE_S: Final = 2.0
"""How long a sender waits for checks. They go on without it, and what they say later is in their row."""
MOST_OF_ONE: Final = 3
"""Checks of a mailbox's other submissions that go on: where there are so many it waits, leaving others the threads."""
SHORTEST_PAUSE_MS: Final = 10_000
LONGEST_PAUSE_MS: Final = 600_000


class CheckAwayError(Exception):
    """Whoever a check asks does not answer."""


class SentMail:
    """A submission as checks see it; its bytes are read once, when one asks for them."""

    def __init__(self, blobs: Blobs, sending: Sending) -> None:
        self._blobs = blobs
        self.sending = sending

    @cached_property
    def raw(self) -> bytes:
        """The message. Raises: BlobMissingError, MailAlteredError, an outage of the store."""
        return read_told_mail(self._blobs, self.sending.blob, ToldMail(size_bytes=self.sending.size_bytes))

    @cached_property
    def beginning(self) -> bytes:
        """The first `SAMPLE_BYTES` of the message. Raises: as `raw`."""
        stored = self._blobs.read(self.sending.blob, length=SAMPLE_BYTES)
        return self.raw[:SAMPLE_BYTES] if is_packed(stored) else stored

    @cached_property
    def parsed(self) -> ParsedMessage:
        """What it says. Raises: as `raw`."""
        return parse(self.raw)


class Check(Protocol):
    """One of the checks."""

    @property
    def name(self) -> str:
        """Its column: policy, spam, attachments or unsubscribed."""
        ...

    @property
    def patience_ms(self) -> int | None:
        """How long a mail waits for whoever it asks, before it leaves without; None: as long as it takes."""
        ...

    def applies(self, mail: SentMail) -> bool:
        """Whether there is anything to check; cheap."""
        ...

    def judge(self, mail: SentMail) -> str:
        """Why the mail may not leave, as its sender is to read it; empty where it may.

        Raises: CheckAwayError
        """
        ...


class Finding(msgspec.Struct, frozen=True):
    """What is known of a submission: since when it is checked, and what has answered, check → reason or nothing."""

    started_at: int
    answers: Mapping[str, str]


class Findings(Protocol):
    """The rows. Every method raises the outages of its server."""

    def begin(self, sending: Sending) -> Finding:
        """The row, made where there is none."""
        ...

    def add(self, sending: Sending, answers: Mapping[str, str]) -> None:
        """These have answered; durable on return."""
        ...


class Judgement(msgspec.Struct, frozen=True):
    """What becomes of a submission: it leaves; or it is refused for a reason; or it waits until then for these."""

    reason: str = ""
    refused_by: tuple[str, ...] = ()
    waits_until: int | None = None
    waits_for: tuple[str, ...] = ()


LEAVES: Final = Judgement()


class Validation(Protocol):
    """Whoever judges submissions. Called by many senders at once."""

    def judge(self, sending: Sending) -> Judgement:
        """What becomes of it. Safe to repeat. Raises: outages of servers; errors of the message itself."""
        ...


class SideBySide:
    """The port `Validation`. What no check applies to pays for none: no row, no thread, no server."""

    def __init__(
        self,
        checks: Sequence[Check],
        *,
        findings: Findings,
        blobs: Blobs,
        executor: Executor,
        clock_ms: Callable[[], int] | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._checks = checks
        self._findings = findings
        self._blobs = blobs
        self._executor = executor
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._deadline_s = deadline_s
        self._lock = threading.Lock()
        self._under_way: dict[tuple[str, str, str], Future[str]] = {}

    def judge(self, sending: Sending) -> Judgement:
        """What becomes of it; see `Validation.judge`."""
        mail = SentMail(self._blobs, sending)
        needed = [check for check in self._checks if check.applies(mail)]
        if not needed:
            return LEAVES
        known = self._findings.begin(sending)
        answers = dict(known.answers)
        answers |= self._asked(mail, [check for check in needed if check.name not in answers], since=known.started_at)
        return self._judgement(needed, answers, since=known.started_at)

    def _asked(self, mail: SentMail, checks: Sequence[Check], *, since: int) -> dict[str, str]:
        """What answered within the deadline; nothing against the mail, where it has waited long enough for an answer.

        Raises: what a check raised that is no absence of whoever it asks.
        """
        asked = {check.name: begun for check in checks if (begun := self._begun(check, mail)) is not None}
        wait(asked.values(), timeout=self._deadline_s)
        found = {check.name: _answer_of(asked[check.name]) if check.name in asked else None for check in checks}
        waited_ms = self._clock_ms() - since
        for check in (check for check in checks if check.name in asked):  # who fills his threads gets nothing past them
            if found[check.name] is None and check.patience_ms is not None and waited_ms >= check.patience_ms:
                found[check.name] = ""
                self._findings.add(mail.sending, {check.name: ""})
        return {name: answer for name, answer in found.items() if answer is not None}

    def _begun(self, check: Check, mail: SentMail) -> "Future[str] | None":
        """The check under way, one at a time of each submission in this process; None where its mailbox must wait."""
        mailbox_id, submission_id = mail.sending.mailbox_id, mail.sending.submission_id
        key = (mailbox_id, submission_id, check.name)
        with self._lock:
            if (under_way := self._under_way.get(key)) is not None:
                return under_way
            if sum(box == mailbox_id and other != submission_id for box, other, _ in self._under_way) >= MOST_OF_ONE:
                return None
            begun = self._under_way[key] = self._executor.submit(self._answer, check, mail)
        begun.add_done_callback(lambda _: self._over(key))
        return begun

    def _over(self, key: tuple[str, str, str]) -> None:
        with self._lock:
            self._under_way.pop(key, None)

    def _answer(self, check: Check, mail: SentMail) -> str:
        """What a check says, written down before anybody acts on it."""
        answer = check.judge(mail)
        self._findings.add(mail.sending, {check.name: answer})
        return answer

    def _judgement(self, needed: Sequence[Check], answers: Mapping[str, str], *, since: int) -> Judgement:
        reasons = {check.name: answers[check.name] for check in needed if answers.get(check.name)}
        if reasons:
            return Judgement(reason="; ".join(reasons.values()), refused_by=tuple(reasons))
        missing = tuple(check.name for check in needed if check.name not in answers)
        if not missing:
            return LEAVES
        now = self._clock_ms()
        pause_ms = min(max((now - since) // 4, SHORTEST_PAUSE_MS), LONGEST_PAUSE_MS)
        return Judgement(waits_until=now + pause_ms, waits_for=missing)


def _answer_of(asked: "Future[str]") -> str | None:
    """What a check said; None where it has not answered, or could not. Raises: any other error of it."""
    if not asked.done():
        return None
    try:
        return asked.result()
    except CheckAwayError:
        return None
