"""Senders who mean it: each mail is sent again, over and over, until a server has taken responsibility for it."""

import itertools
import random
import smtplib
import socket
import threading
from collections.abc import Callable, Sequence

REFUSED_FOR_GOOD = range(500, 600)


def mail(name: str, *, to: str, size: int = 0) -> bytes:
    """A mail whose Message-ID and subject are its name."""
    filling = b"".join(b"line %d of %b\r\n" % (n, name.encode()) for n in range(size // 20))
    return (
        f"From: Bob <bob@elsewhere.test>\r\nTo: {to}\r\nSubject: Mail {name}\r\nMessage-ID: <{name}@elsewhere.test>\r\n"
        f"Date: Sun, 22 Nov 2026 05:00:00 +0000\r\n\r\nThis is {name}, word{name.replace('-', '')}.\r\n"
    ).encode() + filling


class Sender:
    """One sender in a thread of its own. `acknowledged` and `begun` name mails; `replies` is all that was refused."""

    def __init__(
        self,
        port: int,
        name: str,
        recipients: Sequence[str],
        *,
        size: Callable[[], int] = lambda: 0,
        mails: int = 10**9,
    ) -> None:
        self._port, self._name, self._recipients, self._size, self._mails = port, name, recipients, size, mails
        self.begun: dict[str, str] = {}
        self.acknowledged: dict[str, int] = {}
        self.refusals: list[tuple[int, bytes]] = []
        self.repeats = 0
        self.stop = threading.Event()
        self.give_up = threading.Event()
        self.failure: BaseException | None = None
        self._connection: smtplib.SMTP | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> "Sender":
        self.thread.start()
        return self

    def finish(self, within_s: float) -> None:
        """No new mail; what is begun is sent until it is taken."""
        self.stop.set()
        self.wait(within_s)

    def wait(self, within_s: float) -> None:
        """Until all mails are taken."""
        self.thread.join(within_s)
        assert not self.thread.is_alive(), f"{self._name} still tries to send"
        if self.failure is not None:
            raise self.failure

    def _run(self) -> None:
        try:
            for number in itertools.count():
                if self.stop.is_set() or number >= self._mails:
                    break
                self._send_surely(f"{self._name}-{number}", self._recipients[number % len(self._recipients)])
        except BaseException as failure:  # noqa: BLE001 - raised in `wait`
            self.failure = failure
        finally:
            self._drop()

    def _send_surely(self, name: str, to: str) -> None:
        content = mail(name, to=to, size=self._size())
        self.begun[name] = to
        while not self.give_up.is_set():
            try:
                self._connected().sendmail("bob@elsewhere.test", [to], content)
            except smtplib.SMTPRecipientsRefused as refused:
                self._refused(*refused.recipients[to])
            except smtplib.SMTPResponseException as refused:
                self._refused(refused.smtp_code, refused.smtp_error)
            except (OSError, smtplib.SMTPException):
                self.repeats += 1
                self._drop()
                self.give_up.wait(0.1 * random.random())
            else:
                self.acknowledged[name] = len(content)
                return

    def _refused(self, code: int, text: bytes) -> None:
        self.refusals.append((code, text))
        assert code not in REFUSED_FOR_GOOD, (code, text)
        self._drop()
        self.give_up.wait(0.2)

    def _connected(self) -> smtplib.SMTP:
        if self._connection is None:
            self._connection = smtplib.SMTP("127.0.0.1", self._port, "mail.elsewhere.test", timeout=20)
        return self._connection

    def _drop(self) -> None:
        if self._connection is not None and self._connection.sock is not None:
            self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            self._connection.close()
        self._connection = None
