"""Where the measuring happens: a data folder of its own with its own Postgres or real servers, removed afterwards.

A `Store` is one database in it with everything that appends to and reads from it, wired by hand as `infra.composition`
does, so that two of them (with other settings, say) can stand side by side.
"""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from domain.decisions.opening import OpenMailbox
from domain.ids import MailboxId, new_id
from infra.accounts.endings import Endings
from infra.composition import Parts
from infra.embedded_postgres import EmbeddedPostgres
from infra.keys import Keys
from infra.local_wakes import LocalListener, LocalTeller
from infra.migrations import migrate
from infra.search_generations import LiveIndex, SearchGenerations
from infra.settings import load
from infra.store.lanes import Lanes
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from infra.tantivy_search.live import open_live
from infra.tantivy_search.rebuilding import TantivyGenerations
from infra.views.database import Database, reading_pool
from infra.views.mailbox_facts import MailboxFacts
from infra.views.message_lists import MessageLists
from infra.wakes import Announcer, PostgresTeller, Teller
from scripts.benchmarks.mails import BLOBS, blob_name
from scripts.benchmarks.servers import Servers, servers
from scripts.benchmarks.sizes import Sizes

DELAYED = {"commit_delay": "1000", "commit_siblings": "0"}
KEYS_AT_ONCE = 8


def say(text: str) -> None:
    """Progress, on standard error."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


class Store:
    """One migrated database: lane, reader, views; `close` ends them."""

    def __init__(self, url: str, keys: Keys, *tellers: Teller) -> None:
        migrate(url)
        self.url = url
        self._closing = ExitStack()
        self.keys = keys
        self.announcer = Announcer(*tellers, PostgresTeller(url))
        self._closing.callback(self.announcer.close)
        self.lane = Lanes(url, self.keys, on_committed=self.announcer.announce)
        self._closing.callback(self.lane.close)
        events = datastore(url, pool_size=1)
        self._closing.callback(events.close)
        self.reader = StreamReader(MailboxRecorder(events), self.keys)
        self.pool = reading_pool(url)
        self._closing.callback(self.pool.close)
        self.lists = MessageLists(Database(self.pool))
        self.facts = MailboxFacts(Database(self.pool))
        self.touch_blobs(BLOBS)

    def touch_blobs(self, count: int) -> None:
        """The objects that the measured deliveries name: rows only, as after an acceptance."""
        with psycopg.connect(self.url) as connection:
            connection.execute(
                "INSERT INTO blobs (name, size, touched_at) SELECT name, 16384, now()"
                " FROM unnest(%s::text[]) AS n(name) ON CONFLICT DO NOTHING",
                ([blob_name(number) for number in range(count)],),
            )

    def close(self) -> None:
        """Close everything, the last first."""
        self._closing.close()

    def open_mailboxes(self, count: int) -> list[MailboxId]:
        """New, empty mailboxes."""
        made = [MailboxId(new_id("m")) for _ in range(count)]
        with psycopg.connect(self.url) as connection:
            connection.execute("INSERT INTO mailboxes (mailbox_id) SELECT unnest(%s::text[])", (made,))
        with ThreadPoolExecutor(KEYS_AT_ONCE) as pool:
            list(pool.map(self.keys.create, made))
        opening = [
            OpenMailbox(
                mailbox_id=m, command_id="open", address=f"{m}@example.test", display_name="Ada", quota_bytes=2**50
            )
            for m in made
        ]
        for future in [self.lane.submit(command) for command in opening]:
            future.result()
        return made

    def settle(self) -> None:
        """Let autovacuum's work and the checkpoint not fall into a measurement."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("VACUUM (ANALYZE)")
            connection.execute("CHECKPOINT")

    def rows_done(self, statement: str, parameters: Sequence[Any] = ()) -> None:
        """Run a statement of this package that answers nothing."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(statement.encode(), parameters)

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """What a statement of this package answers."""
        with self.pool.connection() as connection:
            return connection.execute(statement.encode(), parameters).fetchall()


class Stage:
    """The data folder, its Postgres, and the servers that stand beside it in the server profile."""

    def __init__(self, folder: Path, sizes: Sizes, closing: ExitStack, beside: Servers | None = None) -> None:
        self.folder = folder
        self.sizes = sizes
        self.closing = closing
        self.servers = beside
        self.environment: Mapping[str, str] = {
            "LEDGERMAIL_DATA": str(folder),
            **(beside.variables if beside is not None else {}),
        }
        self.url = self._embedded_url() if beside is None else beside.variables["LEDGERMAIL_DATABASE_URL"]
        self._made = 0

    def _embedded_url(self) -> str:
        postgres = EmbeddedPostgres(self.folder)
        self.closing.callback(postgres.stop)
        return postgres.start()

    @cached_property
    def embedded(self) -> "Stage":
        """An embedded installation beside the servers', to take turns with."""
        folder = self.folder / "embedded"
        folder.mkdir(mode=0o711)
        return Stage(folder, self.sizes, self.closing)

    @cached_property
    def parts(self) -> Parts:
        """The installation's adapters, as its settings pick them."""
        return self.closing.enter_context(Parts(load(self.environment)))

    def search_index(self) -> LiveIndex:
        """An index to be fed and asked in this process: the servers' live one, or a folder that no service opens."""
        if self.servers is not None:
            return self.parts.search.live(self.closing)
        index = open_live(self.folder / "bench-search")
        self.closing.callback(index.close)
        return index

    def fresh_generations(self) -> SearchGenerations:
        """Generations of an index that is nobody's."""
        if self.servers is None:
            return TantivyGenerations(self.folder / "rebuilt-search")
        from infra.opensearch_search.parts import OpenSearchParts

        return OpenSearchParts(self.parts.settings, "rebuilt").generations()

    def store(self, settings: dict[str, str] | None = None) -> Store:
        """A fresh database with these settings, open until the stage is."""
        self._made += 1
        name = f"bench_{self._made}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            for setting, value in (settings or {}).items():
                connection.execute(
                    sql.SQL("ALTER DATABASE {} SET {} = {}").format(
                        sql.Identifier(name), sql.Identifier(setting), sql.Literal(value)
                    )
                )
        store = Store(with_database(self.url, name), self.parts.keys, *self._tellers)
        self.closing.callback(store.close)
        return store

    @cached_property
    def installation(self) -> Store:
        """The database and keys that a service on this data folder uses."""
        store = Store(self.url, self.parts.keys, *self._tellers)
        self.closing.callback(store.close)
        return store

    @cached_property
    def _tellers(self) -> Sequence[Teller]:
        """As in a service: somebody listens."""
        if self.parts.redis is not None:
            return (self.parts.redis.teller,)
        if self.parts.wakes_folder is None:
            return ()
        endings = Endings(self.url, lambda _account: None, lambda: None)
        listener = LocalListener(self.parts.wakes_folder, lambda _heads: None, lambda: None, before=endings)
        self.closing.callback(listener.close)
        return (LocalTeller(self.parts.wakes_folder),)

    def drop(self, store: Store) -> None:
        """Close a store and remove its database: what it holds weighs on no later row."""
        store.close()
        name = urlsplit(store.url).path.lstrip("/")
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def settings(self) -> dict[str, str]:
        """The server's settings that the figures depend on."""
        names = (
            "server_version", "fsync", "full_page_writes", "synchronous_commit", "wal_sync_method", "shared_buffers",
            "max_wal_size", "max_connections", "commit_delay", "commit_siblings", "jit", "random_page_cost",
        )  # fmt: skip
        with psycopg.connect(self.url, autocommit=True) as connection:
            found = connection.execute("SELECT name, setting FROM pg_settings WHERE name = ANY (%s)", (list(names),))
            return dict(sorted(found.fetchall()))


def with_database(url: str, name: str) -> str:
    """The same server's URL for another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


@contextmanager
def stage(parent: Path, sizes: Sizes, *, with_servers: bool = False) -> Iterator[Stage]:
    """A stage in a new folder below `parent`, removed with all that is in it."""
    parent.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=parent))
    folder.chmod(0o711)
    try:
        with ExitStack() as closing:
            beside = closing.enter_context(servers(folder / "stack")) if with_servers else None
            yield Stage(folder, sizes, closing, beside)
    finally:
        say("cleaning up")
        _remove(folder / "embedded")
        _remove(folder)


def _remove(folder: Path) -> None:
    """The folder, and where its database was put elsewhere (`docs/embedded-postgres.md`) that too."""
    elsewhere = (folder / "postgres").resolve()
    shutil.rmtree(folder, ignore_errors=True)
    if not elsewhere.is_relative_to(folder) and elsewhere.exists():
        shutil.rmtree(elsewhere, ignore_errors=True)
