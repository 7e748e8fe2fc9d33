"""Numbered, forward-only, expand-only changes of the tables, each in its own transaction, under one advisory lock."""

import importlib.resources
import re

import psycopg

_LOCK = 0x6C6564676572
_NAME = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")


class DatabaseTooNewError(Exception):
    """The database was migrated by a newer version than this one."""


def migrate(conninfo: str) -> list[str]:
    """Bring the database up to this version; the names of the migrations applied now. Safe to repeat and to race.

    Raises:
        DatabaseTooNewError: a newer version has been here and this one does not know its tables.
    """
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
        connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations"
            " (number integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(),"
            " contract boolean NOT NULL DEFAULT false)"
        )
        return [name for number, name, sql in _pending(connection) if _apply(connection, number, name, sql)]


def pending(connection: psycopg.Connection) -> list[str]:
    """The names of the migrations that the database still lacks."""
    if connection.execute("SELECT to_regclass('migrations')").fetchone() == (None,):
        return [name for _, name, _ in _all()]
    return [name for _, name, _ in _pending(connection)]


def _all() -> list[tuple[int, str, str]]:
    files = sorted(importlib.resources.files(__name__).iterdir(), key=lambda file: file.name)
    found = [(match, file) for file in files if (match := _NAME.match(file.name))]
    return [(int(match[1]), file.name, file.read_text(encoding="utf-8")) for match, file in found]


def _pending(connection: psycopg.Connection) -> list[tuple[int, str, str]]:
    done = {number for (number,) in connection.execute("SELECT number FROM migrations WHERE NOT contract")}
    known = _all()
    # Migrations only expand, so a newer version's tables serve this one; only a contracting one shuts it out.
    contracting = connection.execute("SELECT max(number) FROM migrations WHERE contract").fetchone()
    if contracting and contracting[0] is not None and contracting[0] > max(number for number, _, _ in known):
        raise DatabaseTooNewError(f"the database is at migration {contracting[0]}: use a newer ledgermail")
    return [(number, name, sql) for number, name, sql in known if number not in done]


def _apply(connection: psycopg.Connection, number: int, name: str, sql: str) -> bool:
    with connection.transaction():
        connection.execute(sql.encode())
        connection.execute("INSERT INTO migrations (number, name) VALUES (%s, %s)", (number, name))
    return True
