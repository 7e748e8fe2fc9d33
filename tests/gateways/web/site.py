"""A whole installation for the browser: real Postgres, blobs, keys, the HTTP server, delivery, sender, followers."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from gateways.http.app import create_app
from infra.composition import Parts
from infra.delivery_parts import DeliveryParts
from infra.http_parts import http_parts
from infra.http_server import HttpServer
from infra.serving.following import follow
from infra.serving.roles import deliver, send
from infra.settings import load
from infra.settings_readers import ListenAddress
from tests.post_office import envelope_of

PASSWORD = "correct horse battery staple"
SHARED = ("keys", "blobs", "announcer", "lane", "recorder", "reader", "directory", "pool")
"""What threads share is made by one of them."""


class Site:
    """What a test knows of the installation: where it is, its accounts, its front door."""

    def __init__(self, url: str, parts: Parts) -> None:
        self.url = url
        self._parts = parts
        self._reception = DeliveryParts(parts).reception

    def account(self, localpart: str, name: str) -> str:
        """A new account's address; its password is `PASSWORD`."""
        return self._parts.registration.register(f"{localpart}@example.test", PASSWORD, display_name=name).address

    def receive(self, raw: bytes, *recipients: str) -> None:
        """Take a message in, as SMTP does after the last dot."""
        now_ms = time.time_ns() // 1_000_000
        spool = self._reception.spool()
        spool.write(raw)
        self._reception.accept(envelope_of(raw, *recipients, received_at=now_ms), spool)


@contextmanager
def running_site(database_url: str, folder: Path, **settings: str) -> Iterator[Site]:
    """The installation, until the block ends."""
    environ = {
        "LEDGERMAIL_DATA": str(folder),
        "LEDGERMAIL_DATABASE_URL": database_url,
        "LEDGERMAIL_UNDO_SECONDS": "2",
        "LEDGERMAIL_REGISTRATION": "open",
    } | settings
    stop = threading.Event()
    with Parts(load(environ)) as parts, ExitStack() as closing:
        parts.ensure_operator()
        for name in SHARED:
            getattr(parts, name)
        for role in (deliver, send, follow):
            _in_thread(closing, role.__name__, lambda role=role: role(parts, stop, lambda _address: None))
        server = HttpServer(create_app(http_parts(parts, closing)), ListenAddress("127.0.0.1", 0))
        _in_thread(closing, "http", lambda: asyncio.run(server.run()))
        closing.callback(server.stop, within_s=1)
        closing.callback(stop.set)
        yield Site(server.url.rstrip("/"), parts)


def _in_thread(closing: ExitStack, name: str, run: Callable[[], Any]) -> None:
    thread = threading.Thread(target=run, name=name)
    thread.start()
    closing.callback(thread.join)
