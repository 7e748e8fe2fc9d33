"""People who mean it: each command is sent again under its key, over and over, until it is answered."""

import itertools
import random
import threading
from typing import Any

import httpx

Json = dict[str, Any]
PASSWORD = "correct horse battery staple"
TRY_AGAIN = frozenset({502, 503, 504, 507})


class Person:
    """An account, signed in."""

    def __init__(
        self, url: str, address: str, *, register: bool = True, transport: httpx.BaseTransport | None = None
    ) -> None:
        self.url, self.address = url, address
        self.http = httpx.Client(base_url=url, timeout=30, trust_env=False, transport=transport)
        if register:
            made = self.http.post("/v1/accounts", json={"address": address, "password": PASSWORD})
            assert made.status_code == 201, made.text
        session = self.http.post("/v1/sessions", json={"address": address, "password": PASSWORD})
        assert session.status_code == 201, session.text
        self.token = session.json()["token"]
        self.http.headers["Authorization"] = f"Bearer {self.token}"

    def get(self, path: str, **query: Any) -> Any:
        answer = self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def pages(self, path: str, key: str, **query: Any) -> list[Json]:
        """A whole list, page after page."""
        rows, cursor = [], None
        while True:
            page = self.get(path, limit=200, **query, **({"cursor": cursor} if cursor else {}))
            rows += page[key]
            if not (cursor := page["cursor"]):
                return rows

    def messages(self, label: str | None = None) -> list[Json]:
        return self.pages("/v1/messages", "messages", **({"label": label} if label else {}))

    def events(self) -> list[Json]:
        """The whole stream."""
        events: list[Json] = []
        while True:
            page = self.get("/v1/sync", since=len(events), limit=1000)
            assert [event["seq"] for event in page["events"]] == list(range(len(events) + 1, page["next"] + 1))
            events += page["events"]
            if not page["more"]:
                return events


class Commander:
    """A person's client in a thread of its own: labels, drafts, mail to a friend, keywords. All that is begun ends."""

    def __init__(self, person: Person, friend: str, name: str) -> None:
        self.person, self._friend, self._name = person, friend, name
        self.done: dict[str, tuple[str, Json]] = {}
        self.refusals: list[tuple[int, str]] = []
        self.repeats = 0
        self.stop = threading.Event()
        self.failure: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> "Commander":
        self.thread.start()
        return self

    def finish(self, within_s: float) -> None:
        """No new command; what is begun is sent until it is answered."""
        self.stop.set()
        self.thread.join(within_s)
        assert not self.thread.is_alive(), f"{self._name} still waits for an answer"
        if self.failure is not None:
            raise self.failure

    def named(self, kind: str) -> dict[str, Json]:
        """The answers to commands of a kind, by name."""
        return {name: answer for name, (found, answer) in self.done.items() if found == kind}

    def _run(self) -> None:
        try:
            for number in itertools.count():
                if self.stop.is_set():
                    return
                self._once(f"{self._name}-{number}")
        except BaseException as failure:  # noqa: BLE001 - raised in `finish`
            self.failure = failure

    def _once(self, name: str) -> None:
        self._surely("label", name, "/v1/labels", {"name": name})
        to = [{"name": "", "address": self._friend}]
        self._surely("draft", name + "-d", "/v1/drafts", {"to": to, "subject": f"Draft {name}", "text": "Soon."})
        letter = {"to": to, "subject": f"Letter {name}", "text": f"This is letter {name}.", "undo_seconds": 0}
        sent = self._surely("sent", name + "-s", "/v1/messages", letter)
        change = {"ids": [sent["message_id"]], "add_keywords": [f"k{name}"]}
        self._surely("keyword", name + "-k", "/v1/messages/modify", change)

    def _surely(self, kind: str, name: str, path: str, body: Json) -> Json:
        while True:
            try:
                answer = self.person.http.post(path, json=body, headers={"Idempotency-Key": name})
            except httpx.TransportError:
                self.repeats += 1
                threading.Event().wait(0.2 * random.random())
                continue
            if answer.status_code < 300:
                self.done[name] = (kind, answer.json())
                return answer.json()
            assert answer.status_code in TRY_AGAIN, (path, name, answer.status_code, answer.text)
            self.refusals.append((answer.status_code, answer.json()["code"]))
            threading.Event().wait(0.2)
