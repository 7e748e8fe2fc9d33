"""A running SMTP server before the post office, whose mail is scanned by a clamd."""

import asyncio
import smtplib
import threading
from concurrent.futures import ThreadPoolExecutor

import uvloop

from domain.ids import new_id
from gateways.screening import Screener
from gateways.smtp.host import Host
from gateways.smtp.server import SmtpServer
from infra.settings_readers import listen_address
from infra.virus.parts import VirusParts
from infra.virus.results import PostgresScanResults
from tests.post_office import PostOffice


def virus_parts(office: PostOffice, address: str) -> VirusParts:
    """What looks for viruses, as the composition root makes it."""
    return VirusParts(listen_address(address), PostgresScanResults(office.pool.connection))


class ScannedDoor:
    """Takes mail until `close`."""

    def __init__(
        self, office: PostOffice, virus: VirusParts, *, on_virus: str = "refuse", screener: Screener | None = None
    ) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self._pool = ThreadPoolExecutor(4)
        host = Host(hostname="mx.example.test", new_acceptance_id=lambda: new_id("a"), now_ms=office.now_ms)
        self.server = SmtpServer(
            host,
            reception=office.reception,
            executor=self._pool,
            screener=screener,
            scanner=virus.for_loop(self._pool),
            on_virus=on_virus,
        )
        self.reports: list[BaseException] = []
        self._loop.set_exception_handler(lambda _loop, context: self.reports.append(context["exception"]))
        self._do(self.server.listen("127.0.0.1", 0))

    def _do(self, asked: object) -> None:
        asyncio.run_coroutine_threadsafe(asked, self._loop).result(60)  # type: ignore[arg-type]

    def send(self, mail: bytes, *recipients: str) -> tuple[int, str]:
        """The reply to the content of a mail."""
        with smtplib.SMTP(*self.server.addresses[0], timeout=60) as client:
            client.ehlo_or_helo_if_needed()
            client.mail("bob@elsewhere.test")
            for recipient in recipients or ("ann@example.test",):
                client.rcpt(recipient)
            code, reply = client.data(mail)
        return code, reply.decode()

    def close(self) -> None:
        self._do(self.server.stop(deadline_s=5))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._pool.shutdown()
