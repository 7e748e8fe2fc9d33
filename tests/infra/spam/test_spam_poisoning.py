"""Who teaches the filter without end does not say what words mean in the mail of the others."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from gateways.spam.learning import Installation
from infra.spam.learnt import installation
from tests.post_office import PostOffice, post_office

PILLS, MEETING, GARDEN, UNHEARD = 1, 2, 3, 4
EACH = 30
"""Spams, and hams, that each of five owners taught."""


@pytest.fixture
def connection(database_url: str, data_folder: Path) -> Iterator[Connection[Any]]:
    with post_office(database_url, data_folder) as office:
        yield from _taught_by_five(office)


def _taught_by_five(office: PostOffice) -> Iterator[Connection[Any]]:
    with office.pool.connection() as connection:
        for number in range(5):
            teach(connection, f"b{number}", EACH, EACH, {PILLS: (20, 0), MEETING: (0, 2), GARDEN: (1, 15)})
        yield connection


def teach(
    connection: Connection[Any], mailbox: str, spams: int, hams: int, tokens: Mapping[int, tuple[int, int]]
) -> None:
    connection.execute("INSERT INTO spam_counts (mailbox_id, spams, hams) VALUES (%s, %s, %s)", (mailbox, spams, hams))
    for token, counted in tokens.items():
        row = (mailbox, token, *counted)
        connection.execute("INSERT INTO spam_tokens (mailbox_id, token, spams, hams) VALUES (%s, %s, %s, %s)", row)


def spam_like(found: Installation) -> dict[int, bool]:
    """Of every token that tells something whether it tells of spam."""
    return {token: likely > 0.5 for token, likely in found.learnt.telling.items()}


HONEST = {PILLS: True, MEETING: False, GARDEN: False}


def test_what_all_teach_alike_tells_of_spam_and_ham(connection: Connection[Any]) -> None:
    assert spam_like(installation(connection)) == HONEST


def test_one_who_calls_everything_spam_makes_no_word_tell_of_spam(connection: Connection[Any]) -> None:
    teach(connection, "liar", 100_000, 0, {MEETING: (100_000, 0), GARDEN: (100_000, 0), UNHEARD: (100_000, 0)})
    assert not any(spam_like(installation(connection)).get(word) for word in (MEETING, GARDEN, UNHEARD))


def test_one_who_calls_spam_wanted_makes_no_word_tell_of_ham(connection: Connection[Any]) -> None:
    teach(connection, "liar", 0, 100_000, {PILLS: (0, 100_000), UNHEARD: (0, 100_000)})
    assert spam_like(installation(connection)).get(PILLS, True)


def test_one_who_teaches_without_end_does_not_make_rare_what_the_others_taught(connection: Connection[Any]) -> None:
    teach(connection, "liar", 0, 1_000_000, {})
    assert spam_like(installation(connection)) == HONEST


def test_two_accounts_together_make_no_word_tell_of_spam(connection: Connection[Any]) -> None:
    for name in ("liar", "friend"):
        teach(connection, name, 10_000, 0, {MEETING: (10_000, 0)})
    assert not spam_like(installation(connection)).get(MEETING)
