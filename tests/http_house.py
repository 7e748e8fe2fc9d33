"""A whole service over HTTP for tests: real Postgres, real adapters, uvicorn on a free port, and two people."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import psycopg
import uvloop

from domain.ids import MailboxId
from gateways.delivery.worker import DeliveryWorker
from gateways.delivery.worker_parts import WorkerParts
from gateways.http.app import HttpApp, create_app
from gateways.proxy.introductions import Introductions
from infra.composition import Parts
from infra.contacts_view import ContactsView
from infra.delivery_book import PostgresBook
from infra.followers import Follower, fan_out, sweep
from infra.http_parts import http_parts
from infra.http_server import HttpServer
from infra.postgres_queue import PostgresQueue
from infra.relay.records import PostgresRelaying
from infra.settings import load
from infra.settings_readers import ListenAddress

_numbers = count(1)
PASSWORD = "correct horse battery staple"


class Person:
    """An account, signed in, and its client."""

    def __init__(self, house: "House", address: str, token: str, account_id: str, mailbox_id: MailboxId) -> None:
        self.house, self.address, self.token = house, address, token
        self.account_id, self.mailbox_id = account_id, mailbox_id
        self.http = httpx.Client(
            base_url=house.url, headers={"Authorization": f"Bearer {token}"}, timeout=30, trust_env=False
        )

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: Any = None, *, status: int = 200, **headers: str) -> Any:
        answer = self.http.post(path, json={} if body is None else body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    def refused(self, method: str, path: str, **kwargs: Any) -> tuple[int, str]:
        answer = self.http.request(method, path, **kwargs)
        assert answer.headers["content-type"] == "application/problem+json", answer.text
        assert answer.json()["status"] == answer.status_code
        return answer.status_code, answer.json()["code"]

    def bring(self, raw: bytes, **query: str) -> str:
        """A message by import; its id."""
        query = {"labels": "INBOX"} | query
        answer = self.http.post(
            "/v1/messages/import", params=query, content=raw, headers={"Content-Type": "message/rfc822"}
        )
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def end_sessions_unheard(self) -> None:
        """As by another process whose hint got lost."""
        with psycopg.connect(self.house.parts.conninfo, autocommit=True) as connection:
            connection.execute("DELETE FROM sessions WHERE account_id = %s", (self.account_id,))

    def head(self) -> int:
        return int(self.get("/v1/account")["head_seq"])


class House:
    """The service, running."""

    def __init__(self, parts: Parts, app: HttpApp, url: str) -> None:
        self.parts, self.app, self.url = parts, app, url
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False)

    def person(self, name: str = "") -> Person:
        address = f"{name or 'person'}{next(_numbers)}@example.test"
        made = self.http.post(
            "/v1/accounts", json={"address": address, "password": PASSWORD, "display_name": name.title()}
        )
        assert made.status_code == 201, made.text
        return self.sign_in(address)

    def sign_in(self, address: str, password: str = PASSWORD) -> Person:
        signed = self.http.post("/v1/sessions", json={"address": address, "password": password})
        assert signed.status_code == 201, signed.text
        account_id = signed.json()["account_id"]
        account = self.parts.accounts.find(account_id)
        assert account is not None
        return Person(self, address, signed.json()["token"], account_id, account.mailbox_id)

    def deliver_all(self) -> int:
        """What waits in the queue reaches the mailboxes."""
        parts = WorkerParts(
            queue=PostgresQueue(self.parts.connect),
            blobs=self.parts.blobs,
            book=PostgresBook(self.parts.connect),
            appender=self.app.parts.appender,
            directory=self.parts.directory,
            relay=PostgresRelaying(self.parts.connect),
            domains=frozenset(self.parts.settings.domains),
            hostname="mx.example.test",
        )
        return DeliveryWorker(parts).run_due()

    def follow(self, view: Any) -> None:
        """A view that follows catches up."""
        follower = Follower(self.parts.conninfo, self.parts.reader, view)
        with psycopg.connect(self.parts.conninfo, autocommit=True) as connection:
            fan_out(connection, [view.name])
            sweep(connection, view.name, now_ms=2**50)
            while follower.step(connection):
                pass

    def follow_contacts(self) -> None:
        self.follow(ContactsView())


@contextmanager
def running(database_url: str, folder: Path, **settings: str) -> Iterator[House]:
    environ = {
        "LEDGERMAIL_DATA": str(folder),
        "LEDGERMAIL_DATABASE_URL": database_url,
        "LEDGERMAIL_HTTP": "127.0.0.1:0",
        "LEDGERMAIL_ACCOUNT_REQUESTS_PER_SECOND": "100000",
        "LEDGERMAIL_ADDRESS_REQUESTS_PER_SECOND": "100000",
    } | settings
    with ExitStack() as closing:
        parts = closing.enter_context(Parts(load(environ)))
        app = create_app(http_parts(parts, closing))
        server = HttpServer(app, ListenAddress("127.0.0.1", 0), Introductions(parts.settings.proxies))
        ran = threading.Thread(target=_run, args=(server,), daemon=True)
        ran.start()
        closing.callback(ran.join, 10)
        closing.callback(server.stop, within_s=1)
        yield House(parts, app, server.url)


def _run(server: HttpServer) -> None:
    uvloop.run(server.run())


def mail(subject: str = "Hello", *, body: str = "How are you?", **fields: str) -> bytes:
    """A plain message."""
    number = next(_numbers)
    head = {
        "From": "Carol <carol@elsewhere.test>",
        "To": "ann@example.test",
        "Subject": subject,
        "Message-ID": f"<{number}@elsewhere.test>",
        "Date": "Sun, 22 Nov 2026 05:00:00 +0000",
    } | {name.replace("_", "-"): value for name, value in fields.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    return (lines + "\r\n" + body.replace("\n", "\r\n") + "\r\n").encode()
