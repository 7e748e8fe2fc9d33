"""A small real house to hand mail over in: who lives there, what was handed over, and a driver of conversations."""

import contextlib
import functools
import itertools
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from domain.addresses import EmailAddress
from domain.ids import MailboxId
from gateways.accounts import AccountSuspendedError, CredentialsInvalidError, Principal, SignInThrottledError
from gateways.envelope import Envelope
from gateways.smtp.actions import Action, Pause
from gateways.smtp.client import Client
from gateways.submission.conversation import SubmissionConversation
from gateways.submission.handover import is_own
from gateways.submission.intake import SubmissionIntake
from gateways.submission.server import SubmissionServer
from gateways.submission.tarpit import Tarpit
from tests.gateways.smtp.conftest import FolderReception, FolderSpool, Talk, make_host
from tests.gateways.smtp.running_server import RunningServer

ANN = Principal("a1", MailboxId("b1"), "ann@example.test", "p1", "user")
SECRET, TOKEN = "seven green herons", "lm_token"
ALIAS = EmailAddress.parse("ann.lee@example.test")


class House:
    """Ann lives here; `failure`, where set, is what the next call raises."""

    def __init__(self) -> None:
        self.failure: Exception | None = None
        self.taken: list[tuple[Principal, Envelope, bytes, int]] = []

    def with_password(
        self, address: str, password: str, *, client: str, network_address: str, protocol: str
    ) -> Principal:
        self.fail()
        if address == "gone@example.test":
            raise AccountSuspendedError("suspended")
        if address == "hasty@example.test":
            raise SignInThrottledError("too many", retry_after_s=9)
        if (address, password, protocol) != (ANN.address, SECRET, "submission"):
            raise CredentialsInvalidError("no")
        return ANN

    def with_token(self, token: str, *, network_address: str, protocol: str) -> Principal:
        self.fail()
        if token != TOKEN:
            raise CredentialsInvalidError("no")
        return ANN

    def owns(self, principal: Principal, address: EmailAddress) -> bool:
        self.fail()
        return is_own(principal, address) or address == ALIAS

    def submit(self, principal: Principal, envelope: Envelope, raw: bytes, *, send_at_ms: int) -> None:
        self.fail()
        self.taken.append((principal, envelope, raw, send_at_ms))

    def fail(self) -> None:
        failure, self.failure = self.failure, None
        if failure is not None:
            raise failure


class HeldMail(FolderSpool):
    def read(self) -> bytes:
        self._file.flush()
        return self.path.read_bytes()


class Handing(Talk):
    """A conversation of submission. `pauses` are those that its answers waited for."""

    def __init__(
        self,
        reception: FolderReception,
        house: House,
        *,
        address: str = "127.0.0.1",
        offers_tls: bool = True,
        tarpit: Tarpit | None = None,
        **limits: float,
    ) -> None:
        host = make_host(**({"command_bytes": 12_288} | limits))
        self.house = house
        self.pauses: list[float] = []
        self.conversation = SubmissionConversation(
            host, client=Client(address), tarpit=tarpit or Tarpit(), offers_tls=offers_tls
        )
        self.intake = SubmissionIntake(
            reception,
            handover=house,
            sign_in=house,
            new_mail=lambda: HeldMail(reception, reception.folder / "1.part"),
            outages=(ConnectionError,),
        )
        self.closed = False
        self.greeting = self._perform(self.conversation.greet())

    def signed_in(self) -> "Handing":
        self.answer("EHLO laptop\r\n")
        assert self.codes(f"AUTH PLAIN {plain(ANN.address, SECRET)}\r\n") == ["235 2.7.0"]
        return self

    def begun(self, recipients: str = "bob@example.test") -> "Handing":
        self.signed_in()
        assert self.codes("MAIL FROM:<ann@example.test>\r\n") == ["250 2.1.0"]
        for recipient in recipients.split():
            assert self.codes(f"RCPT TO:<{recipient}>\r\n") == ["250 2.1.5"]
        return self

    def _called(self, action: Action) -> object:
        if isinstance(action, Pause):
            self.pauses.append(action.seconds)
            return None
        return super()._called(action)


def encoded(text: str | bytes) -> str:
    return b64encode(text.encode() if isinstance(text, str) else text).decode()


def plain(name: str, secret: str, acts_as: str = "") -> str:
    """The response of PLAIN."""
    return encoded("\0".join((acts_as, name, secret)))


@pytest.fixture
def reception(tmp_path: Any) -> FolderReception:
    folder = tmp_path / "mail"
    folder.mkdir()
    return FolderReception(folder)


@pytest.fixture
def submission(reception: FolderReception, house: House, server_tls: ssl.SSLContext, new_loop: Any) -> Iterator[Any]:
    """A running server: `submission(begins_with_tls=True, introductions=…, tarpit=…)`."""
    with contextlib.ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(4))
        numbers = itertools.count()

        def intake() -> SubmissionIntake:
            new_mail = functools.partial(HeldMail, reception, reception.folder / f"{next(numbers)}.part")
            return SubmissionIntake(reception, handover=house, sign_in=house, new_mail=new_mail)

        def begin(*, begins_with_tls: bool = False, tarpit: Tarpit | None = None, **options: Any) -> RunningServer:
            async def make() -> SubmissionServer:
                return SubmissionServer(
                    make_host(),
                    reception=reception,
                    executor=pool,
                    ssl_context=server_tls,
                    intakes=intake,
                    tarpit=tarpit or Tarpit(),
                    **options,
                )

            running = RunningServer(make, new_loop(), begins_with_tls=begins_with_tls)
            stack.callback(running.end)
            return running

        yield begin


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def handing(reception: FolderReception, house: House) -> Callable[..., Handing]:
    return lambda **options: Handing(reception, house, **options)
