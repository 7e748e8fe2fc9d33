"""A small real reception that keeps its mail in a folder, and a driver that does a conversation's actions at once."""

import contextlib
import hashlib
import itertools
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import pytest

from domain.addresses import BARE_POSTMASTER, EmailAddress
from gateways.envelope import Envelope
from gateways.reception import StorageFullError, Verdict
from gateways.smtp.actions import Action, Close, Drain, Send, StartTls
from gateways.smtp.client import Client
from gateways.smtp.conversation import Conversation
from gateways.smtp.host import Dialect, Host
from gateways.smtp.intake import Intake
from gateways.smtp.limits import Limits
from gateways.smtp.server import SmtpServer
from tests.gateways.smtp.running_server import RunningServer

VERDICTS = {
    "nobody": Verdict.UNKNOWN_MAILBOX,
    "full": Verdict.FULL,
    "suspended": Verdict.SUSPENDED,
}


class FolderSpool:
    def __init__(self, reception: "FolderReception", path: Path) -> None:
        self._reception = reception
        self.path = path
        self._file = path.open("wb")
        self.size = 0

    def write(self, data: bytes, /) -> None:
        self._reception.is_writing.set()
        assert self._reception.write_gate.wait(30)
        if self._reception.room_bytes is not None and self.size + len(data) > self._reception.room_bytes:
            raise StorageFullError
        self.size += self._file.write(data)

    def keep_as(self, name: Path) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self.path.rename(name)

    def discard(self) -> None:
        self._file.close()
        self.path.unlink(missing_ok=True)


class FolderReception:
    """Serves example.test; every localpart has a mailbox there but those of `VERDICTS`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.room_bytes: int | None = None
        self.failure: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()
        self.is_accepting = threading.Event()
        self.write_gate = threading.Event()
        self.write_gate.set()
        self.is_writing = threading.Event()
        self.announced: list[int | None] = []
        self.together: list[int] = []
        self._numbers = itertools.count()

    def judge(self, recipient: EmailAddress, *, size_bytes: int | None) -> Verdict:
        self.announced.append(size_bytes)
        if recipient == BARE_POSTMASTER:
            return Verdict.ACCEPT
        if recipient.domain != "example.test":
            return Verdict.NOT_SERVED
        return VERDICTS.get(recipient.localpart, Verdict.ACCEPT)

    def recall(self, recipient: EmailAddress, *, size_bytes: int | None) -> Verdict | None:
        """Remembers the bare postmaster alone."""
        return self.judge(recipient, size_bytes=size_bytes) if recipient == BARE_POSTMASTER else None

    def spool(self) -> FolderSpool:
        return FolderSpool(self, self.folder / f"{next(self._numbers)}.part")

    def accept(self, envelope: Envelope, spool: FolderSpool) -> None:
        self.is_accepting.set()
        assert self.gate.wait(30)
        if self.failure is not None:
            raise self.failure
        spool.keep_as(self.folder / f"{envelope.acceptance_id}.eml")
        (self.folder / f"{envelope.acceptance_id}.json").write_bytes(msgspec.json.encode(envelope))

    def accept_all(self, mails: Sequence[tuple[Envelope, bytes]]) -> list[Exception | None]:
        self.together.append(len(mails))
        return [self._outcome(envelope, content) for envelope, content in mails]

    def _outcome(self, envelope: Envelope, content: bytes) -> Exception | None:
        spool = self.spool()
        try:
            spool.write(content)
            self.accept(envelope, spool)
        except Exception as error:  # noqa: BLE001 - handed to the conversation whose mail it was
            spool.discard()
            return error
        return None

    def mails(self) -> list[tuple[Envelope, bytes]]:
        """What was accepted, in order of acceptance; every digest and size is checked on the way."""
        found = []
        for record in sorted(self.folder.glob("*.json")):
            envelope = msgspec.json.decode(record.read_bytes(), type=Envelope)
            content = record.with_suffix(".eml").read_bytes()
            assert hashlib.sha256(content).hexdigest() == envelope.content_sha256
            assert len(content) == envelope.size_bytes
            found.append((envelope, content))
        return found

    def leftovers(self) -> list[Path]:
        return list(self.folder.glob("*.part"))


class Talk:
    """One conversation whose actions are done as they come. `answer` says what one input was answered with."""

    def __init__(self, host: Host, reception: FolderReception, *, offers_tls: bool = False) -> None:
        self.conversation = Conversation(host, client=Client("192.0.2.7"), offers_tls=offers_tls)
        self.intake = Intake(reception)
        self.closed = False
        self.greeting = self._perform(self.conversation.greet())

    def answer(self, data: bytes | str) -> str:
        octets = data.encode() if isinstance(data, str) else data
        return self._perform(self.conversation.receive(octets)).decode()

    def codes(self, data: bytes | str) -> list[str]:
        """Code and enhanced code of each reply."""
        replies = [line for line in self.answer(data).split("\r\n") if line and line[3] == " "]
        return [" ".join(word for word in line.split(" ")[:2] if word[0].isdigit()) for line in replies]

    def ready(self, recipients: str = "ann") -> "Talk":
        """Introduced, with a sender and these recipients."""
        lmtp = self.conversation.host.dialect is Dialect.LMTP
        self.answer(f"{'LHLO' if lmtp else 'EHLO'} mx.example.org\r\nMAIL FROM:<bob@example.org>\r\n")
        for recipient in recipients.split():
            assert self.answer(f"RCPT TO:<{recipient}@example.test>\r\n").startswith("250")
        return self

    def _perform(self, actions: list[Action]) -> bytes:
        said = bytearray()
        while actions:
            following: list[Action] = []
            for action in actions:
                match action:
                    case Send(data):
                        said += data
                    case Close():
                        self.closed = True
                        self.intake.discard()
                    case Drain():
                        following += self.conversation.resume(None)
                    case StartTls():
                        following += self.conversation.secured("TLSv1.3 TLS_AES_256_GCM_SHA384")
                    case _:
                        following += self.conversation.resume(self._called(action))
            actions = following
        return bytes(said)

    def _called(self, action: Action) -> object:
        try:
            return self.intake.perform(action)
        except Exception as failure:  # noqa: BLE001 - handed to the conversation, as a server does
            return failure


def make_host(dialect: Dialect = Dialect.SMTP, **limits: float) -> Host:
    numbers = itertools.count()
    return Host(
        hostname="mx.example.test",
        new_acceptance_id=lambda: f"a{next(numbers):08d}",
        dialect=dialect,
        limits=Limits(**limits),
        now_ms=lambda: 1_790_000_000_000,
    )


@pytest.fixture
def reception(tmp_path: Path) -> FolderReception:
    folder = tmp_path / "mail"
    folder.mkdir()
    return FolderReception(folder)


@pytest.fixture
def talk(reception: FolderReception):
    """A talk with a fresh conversation: `talk(lmtp=True, offers_tls=True, message_bytes=…)`."""

    def begin(*, lmtp: bool = False, offers_tls: bool = False, **limits: float) -> Talk:
        host = make_host(Dialect.LMTP if lmtp else Dialect.SMTP, **limits)
        return Talk(host, reception, offers_tls=offers_tls)

    return begin


@pytest.fixture(scope="session")
def smtp_host():
    """`make_host`: `smtp_host(Dialect.LMTP, recipients=…)`."""
    return make_host


@pytest.fixture(scope="session")
def reception_of():
    """`FolderReception`, emptied: for tests that need a new one for each example."""

    def begin(folder: Path) -> FolderReception:
        for left in folder.iterdir():
            left.unlink()
        return FolderReception(folder)

    return begin


@pytest.fixture
def serve(reception, smtp_host, new_loop):
    """A running server: `serve(Dialect.LMTP, ssl_context=…, recipients=…)`."""
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(8))

        def begin(dialect=Dialect.SMTP, *, ssl_context=None, introductions=None, **limits):
            async def make():
                host = smtp_host(dialect, **limits)
                return SmtpServer(
                    host, reception=reception, executor=pool, ssl_context=ssl_context, introductions=introductions
                )

            running = RunningServer(make, new_loop())
            stack.callback(running.end)
            return running

        yield begin
