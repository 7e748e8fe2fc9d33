"""What /readyz asks, when servers answer, refuse and hang."""

import logging
import threading

import pytest

from infra.readiness import Checks


def refuse() -> None:
    raise ConnectionRefusedError("nobody there")


def names(checks: Checks) -> list[str]:
    return [one.name for one in checks.failing()]


def test_what_answers_is_not_named() -> None:
    checks = Checks()
    checks.add("database", lambda: (1,))
    assert checks.failing() == []


def test_what_does_not_answer_is_named_with_whether_it_is_needed() -> None:
    checks = Checks()
    checks.add("database", refuse)
    checks.add("blobs", lambda: None)
    checks.add("redis", refuse, needed=False)
    assert [(one.name, one.needed) for one in checks.failing()] == [("database", True), ("redis", False)]


def test_a_check_that_hangs_is_named_holds_one_thread_and_is_forgiven_when_it_returns() -> None:
    checks, released, entered = Checks(answer_s=0.05), threading.Event(), []

    def hang() -> None:
        entered.append(1)
        released.wait()

    checks.add("s3", hang)
    checks.add("database", lambda: None)
    assert [names(checks) for _ in range(3)] == [["s3"]] * 3
    assert len(entered) == 1
    released.set()
    patient = threading.Event()
    while names(checks):
        patient.wait(0.01)


def test_the_log_is_told_when_an_outage_begins_and_when_it_ends_not_at_every_question(
    caplog: pytest.LogCaptureFixture,
) -> None:
    checks, is_away = Checks(), [True, True, False, False]
    checks.add("kafka", lambda: refuse() if is_away.pop(0) else None)
    with caplog.at_level(logging.INFO, "infra.readiness"):
        assert [names(checks) for _ in range(4)] == [["kafka"], ["kafka"], [], []]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]


def test_a_check_added_again_under_its_name_takes_the_place_of_the_first() -> None:
    checks = Checks()
    checks.add("search", refuse)
    checks.add("search", lambda: None)
    assert checks.failing() == []
