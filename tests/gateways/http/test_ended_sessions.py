"""Nothing is sent to anybody whose session has ended, whatever form it waits in and whoever ended it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import msgspec
import psycopg
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from domain.decisions import ChangeSettings
from domain.events import Who
from gateways.http.live import POLICY_VIOLATION
from gateways.http.token_checks import FRESH_S
from infra.composition import Parts
from tests.gateways.http.test_held_requests import SSE, Wire, a_beat_later, time_passes, until, waiting, wire
from tests.http_house import PASSWORD, House, Person, mail

FORMS = ["&wait=30", "&wait=30&fold=true", ""]


@contextmanager
def asking(house: House, person: Person, form: str, since: int) -> Iterator[Wire]:
    """Somebody who waits: a call, or (no form) a stream whose head was read."""
    before = waiting(house)
    with wire(house) as one:
        one.ask(person, f"/v1/sync?since={since}{form}", *([] if form else [SSE]))
        if not form:
            one.head()
        until(lambda: waiting(house) == before + 1)
        yield one


@contextmanager
def live(house: House, person: Person, since: int) -> Iterator[ClientConnection]:
    address = house.url.replace("http://", "ws://") + f"v1/ws?since={since}"
    standings = house.app.parts.tokens._standings
    with connect(address, additional_headers={"Authorization": f"Bearer {person.token}"}, proxy=None) as found:
        until(lambda: person.account_id in standings and standings[person.account_id][person.token].is_sure)
        yield found


def assert_over(one: Wire, form: str) -> None:
    """A stream is at its end; a call is answered that its token is none."""
    if form:
        head, body = one.answer()
        assert (head["status"], msgspec.json.decode(body)["code"]) == ("401", "token_invalid")
    else:
        assert one.chunk() == b""


def sign_out(other: Person, token: str) -> None:
    signed_out = other.http.delete("/v1/sessions/current", headers={"Authorization": f"Bearer {token}"})
    assert signed_out.status_code == 204


def change_password(other: Person, _token: str) -> None:
    other.post("/v1/account/password", {"old_password": PASSWORD, "new_password": "a horse of another colour 7"})


def suspend(other: Person, _token: str) -> None:
    with Parts(other.house.parts.settings) as another_process:
        another_process.administration.suspend(another_process.accounts.at(other.address))


def set_password(other: Person, _token: str) -> None:
    with Parts(other.house.parts.settings) as another_process:
        another_process.passwords.set_by_operator(other.account_id, "a horse of another colour 8")


def end_all(other: Person, _token: str) -> None:
    with Parts(other.house.parts.settings) as another_process:
        assert another_process.sessions.end_others(other.account_id, keep="") > 0


ENDS = [sign_out, change_password, suspend, set_password, end_all]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("end", ENDS)
def test_whoever_waits_is_sent_away_as_the_session_ends(
    house: House, ann: Person, form: str, end: Callable[[Person, str], None]
) -> None:
    other = house.sign_in(ann.address)
    with asking(house, ann, form, ann.head()) as one:
        end(other, ann.token)
        assert_over(one, form)
    until(lambda: waiting(house) == 0)


@pytest.mark.parametrize("end", ENDS)
def test_a_websocket_is_closed_as_the_session_ends(
    house: House, ann: Person, end: Callable[[Person, str], None]
) -> None:
    other = house.sign_in(ann.address)
    with live(house, ann, ann.head()) as one:
        end(other, ann.token)
        with pytest.raises(ConnectionClosed) as closed:
            one.recv(timeout=10)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == POLICY_VIOLATION


def test_other_sessions_of_the_account_wait_on(house: House, ann: Person) -> None:
    other = house.sign_in(ann.address)
    since = ann.head()
    with asking(house, ann, "", since) as ended, asking(house, other, "", since) as one:
        sign_out(other, ann.token)
        assert ended.chunk() == b""
        other.bring(mail("For who is signed in"))
        assert b"For who is signed in" in one.chunk()


@pytest.mark.parametrize("form", FORMS)
def test_what_comes_after_the_session_is_not_sent_where_the_hint_got_lost(house: House, ann: Person, form: str) -> None:
    with asking(house, ann, form, ann.head()) as one:
        ann.end_sessions_unheard()
        happen(ann, "For nobody")
        assert_over(one, form)


def test_a_websocket_gets_nothing_after_its_session_where_the_hint_got_lost(house: House, ann: Person) -> None:
    with live(house, ann, ann.head()) as one:
        time_passes(house, FRESH_S)
        ann.end_sessions_unheard()
        happen(ann, "For nobody")
        with pytest.raises(ConnectionClosed):
            one.recv(timeout=10)


def test_a_stream_that_was_told_is_looked_at_again_some_seconds_later(house: House, ann: Person) -> None:
    with asking(house, ann, "", ann.head()) as one:
        happen(ann, "First")
        assert b"First" in one.chunk()
        time_passes(house, FRESH_S)
        ann.end_sessions_unheard()
        happen(ann, "For nobody")
        assert one.chunk() == b""


def test_a_call_that_waited_in_vain_is_told_that_its_session_ended_meanwhile(house: House, ann: Person) -> None:
    with asking(house, ann, "&wait=30", ann.head()) as one:
        ann.end_sessions_unheard()
        a_beat_later(house, ann)
        assert_over(one, "&wait=30")


def test_all_tokens_are_looked_at_when_hints_may_have_been_lost(house: House, ann: Person, bob: Person) -> None:
    with asking(house, ann, "", ann.head()) as anns, asking(house, bob, "", bob.head()) as bobs:
        ann.end_sessions_unheard()
        with psycopg.connect(house.parts.conninfo, autocommit=True) as connection:
            query = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query ~ '^LISTEN'"
            connection.execute(f"{query} AND datname = current_database()")
        assert anns.chunk() == b""
        bob.bring(mail("Still here"))
        assert b"Still here" in bobs.chunk()


def test_a_token_that_nobody_waits_on_any_more_is_forgotten(house: House, ann: Person) -> None:
    with asking(house, ann, "", ann.head()), live(house, ann, ann.head()):
        assert ann.account_id in house.app.parts.tokens._standings
    until(lambda: ann.account_id not in house.app.parts.tokens._standings)


def happen(person: Person, name: str) -> None:
    """An event in somebody's mailbox that bears a name, and asks none of their sessions."""
    command = ChangeSettings(
        mailbox_id=person.mailbox_id,
        command_id=name,
        who=Who(actor="owner"),
        display_name=name,
        signature="",
        time_zone="UTC",
    )
    person.house.app.parts.appender.run(command)
