"""What is logged: whole lines, that nobody outside can forge, steer or read secrets from."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from gateways.http.request_ids import REQUEST
from infra.logs import configure, facts, shown

HOSTILE = "bob\r\n2026-01-01T00:00:00.000Z INFO [1] ledgermail.mail: accepted\x1b[2J\x9b31m\u202e\u2028\x00\x7f\ud800"


class Logged:
    """A logger of its own, and what it wrote."""

    def __init__(self, form: str) -> None:
        self.stream = io.StringIO()
        configure(form, stream=self.stream)
        self.log = logging.getLogger("tests.logs")

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]


@pytest.fixture(autouse=True)
def handlers_kept() -> Iterator[None]:
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def test_a_line_of_json_is_one_object_with_its_facts_beside_it() -> None:
    logged = Logged("json")
    logged.log.info("accepted", extra=facts(mail="a1", to=["ann@example.test"], recipients=1))
    (found,) = logged.objects
    assert found["at"].endswith("Z")
    assert len(found["at"]) == len("2026-11-27T17:00:00.000Z")
    expected = {"level": "info", "logger": "tests.logs", "said": "accepted", "mail": "a1", "recipients": 1}
    assert expected.items() <= found.items()
    assert found["to"] == ["ann@example.test"]


def test_a_line_of_text_names_its_facts_behind_what_was_said() -> None:
    logged = Logged("text")
    logged.log.warning("waits", extra=facts(mail="a1", error="no route to host", to=["a@b", "c@d"]))
    (line,) = logged.lines
    assert line.endswith('tests.logs: waits mail=a1 error="no route to host" to=a@b,c@d')
    assert " WARNING [" in line


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_a_stranger_chose_neither_ends_a_line_nor_steers_a_terminal(form: str) -> None:
    logged = Logged(form)
    logged.log.info("refused: %s", HOSTILE, extra=facts(sender=HOSTILE))
    (line,) = logged.stream.getvalue().split("\n")[:-1]
    assert line.isprintable()
    assert shown(line) == line
    assert line.isascii()


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_traceback_that_quotes_a_stranger_forges_no_line(form: str) -> None:
    logged = Logged(form)
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        logged.log.exception("failed")
    first, *further = logged.stream.getvalue().split("\n")[:-1]
    assert all(line.startswith("    ") for line in further)
    assert all(line.isprintable() for line in (first, *further))
    assert (form == "json") == (not further)
    assert "Traceback" in logged.stream.getvalue()


def test_letters_of_every_script_stay_readable_in_text() -> None:
    logged = Logged("text")
    logged.log.info("accepted", extra=facts(sender="δοκιμή@παράδειγμα.test"))
    assert logged.lines[0].endswith("sender=δοκιμή@παράδειγμα.test")


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_request_that_is_being_answered_stands_beside_every_line(form: str) -> None:
    logged = Logged(form)
    token = REQUEST.set("r17")
    try:
        logged.log.error("a request failed")
    finally:
        REQUEST.reset(token)
    logged.log.info("later")
    assert ["r17" in line for line in logged.lines] == [True, False]
