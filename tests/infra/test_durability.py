"""A database that may lose acknowledged mail is refused by the name of its setting."""

import psycopg
import pytest

from infra.durability import DurabilityError, check_durability


def test_the_embedded_database_is_durable(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        check_durability(connection)


@pytest.mark.parametrize("value", ["off", "local"])
def test_a_commit_that_answers_early_is_refused(database_url: str, value: str) -> None:
    with (
        psycopg.connect(database_url, options=f"-c synchronous_commit={value}") as connection,
        pytest.raises(DurabilityError, match=f"synchronous_commit is {value}"),
    ):
        check_durability(connection)


@pytest.mark.parametrize("value", ["remote_write", "remote_apply"])
def test_waiting_for_replicas_too_is_durable(database_url: str, value: str) -> None:
    with psycopg.connect(database_url, options=f"-c synchronous_commit={value}") as connection:
        check_durability(connection)
