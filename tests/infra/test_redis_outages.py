"""A whole service with a Redis that is flushed, killed, halted and filled: that costs nothing but speed."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest

from infra.redis_server.server import RedisServer
from tests.conftest import temporary_data_folder
from tests.gateways.http.test_held_requests import SSE, until, waiting, wire
from tests.http_house import House, Person, mail, running
from tests.own_redis import OwnRedis, own_redis

pytestmark = pytest.mark.servers
HIT_S = 20.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def house(module_database_url: str, own: OwnRedis) -> Iterator[House]:
    with temporary_data_folder() as folder, running(module_database_url, folder, **own.variables) as found:
        yield found


@pytest.fixture(autouse=True)
def answers_again(house: House, own: OwnRedis) -> Iterator[None]:
    """Each test begins and ends with a Redis that answers."""
    until(lambda: not redis_of(house).is_away)
    yield
    until(lambda: not redis_of(house).is_away)


def redis_of(house: House) -> RedisServer:
    assert house.parts.redis is not None
    return house.parts.redis.server


def names_there(own: OwnRedis) -> list[bytes]:
    with own.client as client:
        found: list[bytes] = client.keys("*")
    return found


def flush(own: OwnRedis) -> None:
    with own.client as client:
        client.flushall()


def kill_and_start(own: OwnRedis) -> None:
    own.kill()
    own.start()


def halt(own: OwnRedis) -> None:
    own.signal(signal.SIGSTOP)


def go_on(own: OwnRedis) -> None:
    own.signal(signal.SIGCONT)


HARM: dict[str, tuple[Callable[[OwnRedis], None], Callable[[OwnRedis], None]]] = {
    "flushed": (flush, flush),
    "started anew": (kill_and_start, flush),
    "killed": (OwnRedis.kill, OwnRedis.start),
    "halted": (halt, go_on),
    "full": (OwnRedis.fill, OwnRedis.drain),
}


@contextmanager
def harmed(own: OwnRedis, how: str) -> Iterator[None]:
    harm, mend = HARM[how]
    harm(own)
    try:
        yield
    finally:
        mend(own)


def test_what_is_asked_twice_lies_in_redis_and_names_nobody(house: House, own: OwnRedis) -> None:
    ann = house.person("ann")
    ann.bring(mail("Secretive"))
    flush(own)
    for _ in range(2):
        assert [one["subject"] for one in ann.get("/v1/messages")["messages"]] == ["Secretive"]
        ann.get("/v1/counts")
        ann.get("/v1/contacts", q="carol")
        ann.get("/v1/search", q="secretive")
    kinds = {name.split(b":")[1] for name in names_there(own)}
    assert kinds >= {b"messages-1", b"counts-1", b"suggestions-1", b"search-1"}
    with own.client as client:
        for name in names_there(own):
            kept = client.get(name) or b""
            assert client.pttl(name) <= 300_000
            for word in (b"Secretive", b"ann", ann.mailbox_id.encode(), ann.account_id.encode(), ann.token.encode()):
                assert word not in name + kept


@pytest.mark.parametrize("how", HARM)
def test_people_read_write_and_sign_in_and_out_while_it_is(house: House, own: OwnRedis, how: str) -> None:
    ann = house.person("ann")
    ann.bring(mail("First"))
    ann.get("/v1/messages")
    with harmed(own, how):
        ann.bring(mail("Second"))
        for _ in range(2):
            assert [one["subject"] for one in ann.get("/v1/messages")["messages"]] == ["Second", "First"]
            assert ann.get("/v1/counts")["INBOX"] == {"total": 2, "unread": 2}
        again = house.sign_in(ann.address)
        assert again.http.delete("/v1/sessions/current").status_code == 204
        assert again.refused("GET", "/v1/account") == (401, "token_invalid")
        assert ann.get("/v1/account")["address"] == ann.address
    assert [one["subject"] for one in ann.get("/v1/messages")["messages"]] == ["Second", "First"]


@pytest.mark.parametrize("how", HARM)
def test_who_guesses_passwords_is_throttled_also_while_it_is(house: House, own: OwnRedis, how: str) -> None:
    ann = house.person("ann")
    guess = {"address": ann.address, "password": "a wrong guess"}
    with harmed(own, how):
        answers = [house.http.post("/v1/sessions", json=guess).status_code for _ in range(12)]
    assert answers == [401] * 10 + [429] * 2


def test_an_outage_gives_nobody_a_fresh_bucket(house: House, own: OwnRedis) -> None:
    ann = house.person("ann")
    guess = {"address": ann.address, "password": "a wrong guess"}
    assert {house.http.post("/v1/sessions", json=guess).status_code for _ in range(10)} == {401}
    with harmed(own, "killed"):
        assert house.http.post("/v1/sessions", json=guess).status_code == 429


@pytest.mark.parametrize("how", HARM)
def test_who_waits_is_told_while_it_is(house: House, own: OwnRedis, how: str) -> None:
    ann = house.person("ann")
    before = waiting(house)
    with wire(house) as one:
        one.ask(ann, f"/v1/sync?since={ann.head()}", SSE)
        one.head()
        until(lambda: waiting(house) == before + 1)
        with harmed(own, how):
            ann.bring(mail("News"))
            assert b"News" in one.chunk()


def test_an_ended_session_is_refused_though_redis_is_harmed_all_the_while(house: House, own: OwnRedis) -> None:
    ann = house.person("ann")
    for how in HARM:
        ending = house.sign_in(ann.address)
        ending.get("/v1/account")
        with harmed(own, how):
            ann.http.delete(f"/v1/sessions/{_session_id(ending)}").raise_for_status()
            assert ending.refused("GET", "/v1/account") == (401, "token_invalid")
        assert ending.refused("GET", "/v1/account") == (401, "token_invalid")


def _session_id(person: Person) -> str:
    [current] = [one for one in person.get("/v1/sessions")["sessions"] if one["current"]]
    return str(current["id"])


def test_answers_stay_true_while_it_is_harmed_again_and_again(house: House, own: OwnRedis) -> None:
    ann = house.person("ann")
    over, failures = threading.Event(), list[str]()

    def read() -> None:
        with httpx.Client(base_url=house.url, headers=ann.http.headers, timeout=30, trust_env=False) as http:
            known = 0
            while not over.is_set():
                answer = http.get("/v1/messages", params={"limit": 500})
                if answer.status_code != 200 or len(answer.json()["messages"]) < known:
                    failures.append(f"{answer.status_code} after {known}: {answer.text[:100]}")
                    return
                known = len(answer.json()["messages"])

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    brought = 0
    for how in [*HARM, *HARM]:
        with harmed(own, how):
            for _ in range(3):
                ann.bring(mail(f"Number {brought}"))
                brought += 1
                assert len(ann.get("/v1/messages", limit=500)["messages"]) == brought
    over.set()
    for reader in readers:
        reader.join(HIT_S)
    assert failures == []


def lacking(house: House) -> list[str]:
    """What `/readyz` names; the house is in service all the same. Nobody follows here, which it names, too."""
    answer = house.http.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    named: list[str] = answer.json()["failing"]
    return [name for name in named if not name.startswith("view ")]


def test_readiness_names_it_and_the_service_stays_in(house: House, own: OwnRedis) -> None:
    assert lacking(house) == []
    with harmed(own, "killed"):
        until(lambda: lacking(house) == ["cache"])
    until(lambda: lacking(house) == [])
