"""Pools through a restart of the server: connections that died idle are nobody's trouble."""

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from domain.ids import MailboxId
from infra.composition import Parts
from infra.settings import load
from infra.store.liveliness import RECONNECT_S
from infra.views.database import Database, reading_pool

_OTHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> %s"


def cut_all(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_OTHERS, (connection.info.backend_pid,))


def test_a_read_on_a_connection_that_died_idle_is_asked_again(database_url: str) -> None:
    with reading_pool(database_url, max_size=4) as pool:
        database = Database(pool)
        pool.resize(4, 4)
        pool.wait(30)
        for _outage in range(2):
            cut_all(database_url)
            assert database.one("SELECT 1", ()) == (1,)
            cut_all(database_url)
            assert database.all("SELECT %s::int", (7,)) == [(7,)]
            cut_all(database_url)
            assert database.snapshot([("SELECT 1", ()), ("SELECT 2", ())]) == [[(1,)], [(2,)]]


def test_a_statement_that_fails_by_itself_is_not_asked_again(database_url: str) -> None:
    with reading_pool(make_conninfo(database_url, options="-c statement_timeout=200")) as pool:
        database = Database(pool)
        database.run("CREATE SEQUENCE asked", ())
        with pytest.raises(psycopg.OperationalError):
            database.one("SELECT nextval('asked'), pg_sleep(60)", ())
        assert database.one("SELECT nextval('asked')", ()) == (2,)


def lent(pool: ConnectionPool[Any], many: int) -> None:
    """So many connections lie idle in the pool."""
    with ExitStack() as held:
        for _ in range(many):
            held.enter_context(pool.connection())


def test_no_pool_makes_anybody_wait_for_connections_that_died_idle(database_url: str, tmp_path: Path) -> None:
    settings = {"LEDGERMAIL_DATA": str(tmp_path), "LEDGERMAIL_DATABASE_URL": database_url}
    with Parts(load(settings)) as parts:
        assert parts.recorder.page(MailboxId("m0"), 0, limit=1)[1] is None
        lent(parts.pool, 12)
        lent(parts.recorder.datastore.pool, 4)
        cut_all(database_url)
        began = time.monotonic()
        assert parts.recorder.page(MailboxId("m0"), 0, limit=1)[1] is None
        for _once in range(12):
            with parts.connect() as connection:
                assert connection.execute("SELECT 1").fetchone() == (1,)
        assert time.monotonic() - began < 3


def test_every_pool_asks_again_soon_after_an_outage(database_url: str, tmp_path: Path) -> None:
    settings = {"LEDGERMAIL_DATA": str(tmp_path), "LEDGERMAIL_DATABASE_URL": database_url}
    with Parts(load(settings)) as parts, reading_pool(database_url) as views:
        for pool in (parts.pool, parts.recorder.datastore.pool, views):
            assert pool.reconnect_timeout == RECONNECT_S
