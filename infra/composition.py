"""The composition root: which adapter stands behind each port, made when first asked for, closed in reverse order.

To add a part: a `functools.cached_property` that makes it from the settings and other parts, and hands what must be
closed to `self._closing` right after it is made.
"""

import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psycopg
from psycopg import Connection
from psycopg_pool import ConnectionPool

from gateways.bounces.return_path import ReturnPaths
from gateways.directory import Directory
from gateways.srs import Srs
from infra.accounts import directory as accounts_directory
from infra.accounts.administration import Administration
from infra.accounts.app_passwords import PostgresAppPasswords
from infra.accounts.credentials import CredentialCheck
from infra.accounts.failure_counts import PostgresBuckets
from infra.accounts.hashing import PasswordHashing
from infra.accounts.lookup import PostgresAccounts
from infra.accounts.native_sign_in import PostgresNativeSignIn
from infra.accounts.outages import Connect
from infra.accounts.passwords import PostgresPasswords
from infra.accounts.registration import PostgresRegistration
from infra.accounts.second_factors import PURPOSE as SECOND_FACTORS_PURPOSE
from infra.accounts.second_factors import WRONG_CODES, PostgresSecondFactors
from infra.accounts.sessions import PostgresSessions
from infra.accounts.throttle import SignInThrottle
from infra.accounts.unfinished import Unfinished
from infra.buckets import Buckets
from infra.data_folder import make_data_folder
from infra.datagrams import Mouth
from infra.durability import check_durability
from infra.embedded_postgres import EmbeddedPostgres
from infra.file_blobs import FileBlobs
from infra.file_keys import FileKeys
from infra.keys import MasterKeyError
from infra.local_wakes import LocalTeller
from infra.migrations import DatabaseTooNewError, migrate
from infra.operator_errors import OperatorError, ServerAwayError
from infra.postgres_queue import KIND, PostgresQueue
from infra.readiness import Checks
from infra.search_parts import SearchParts, search_parts
from infra.serving.certificates import Certificate, certificate
from infra.settings import Settings
from infra.store.lanes import Lanes
from infra.store.liveliness import RECONNECT_S, check_or_drain
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from infra.suppressions import PostgresSuppressions
from infra.virus.results import PostgresScanResults
from infra.wakes import Announcer, PostgresTeller

if TYPE_CHECKING:
    from infra.dkim_keys import PostgresDkimKeys
    from infra.kafka.incoming import KafkaQueue
    from infra.kafka.parts import KafkaParts
    from infra.redis_server.parts import RedisParts
    from infra.s3_blobs import S3Blobs
    from infra.s3_keys import S3Keys
    from infra.s3_parts import S3Parts
    from infra.s3_transfers import S3Transfers
    from infra.tracing import Tracing
    from infra.virus.parts import VirusParts

SRS_PURPOSE = b"ledgermail-srs-1"
"""What the key that signs forwarded reverse-paths is derived from the master key for."""
POOL_SIZE = 16
RETURN_PATH_PURPOSE = b"ledgermail-return-path-1"
"""What the secret of return paths is derived from the master key for."""
STARTS = 3
CONNECT_S = 5
_PASSING = (
    "starting up",
    "shutting down",
    "recovery mode",
    "not yet accepting",
    "too many clients",
    "connection slots",
)


class DatabaseUnreachableError(OperatorError):
    """The database of `LEDGERMAIL_DATABASE_URL` does not answer, or is not for this version."""


class DatabaseAwayError(DatabaseUnreachableError, ServerAwayError):
    """The database of `LEDGERMAIL_DATABASE_URL` cannot be reached, or has yet to finish its own start."""


class Parts:
    """Everything that the settings ask for, as far as anybody asks for it. Leave its `with` block to close it all.

    One thread makes the parts; made, they may be used from many.
    """

    def __init__(self, settings: Settings, *, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """What a process that `is_stopping` has not started yet stays unstarted."""
        self.settings = settings
        self._is_stopping = is_stopping
        self.checks = Checks()
        """What `/readyz` asks: whoever makes a part that stands on a server adds its check."""
        self.tracing: Tracing | None = None
        """Where requests and messages are traced to, if anywhere."""
        self._closing = ExitStack()
        self._postgres: EmbeddedPostgres | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was made, the last first. Safe to repeat."""
        self._closing.close()

    # -- the store

    @cached_property
    def conninfo(self) -> str:
        """Where the database is: running, durable and migrated.

        Raises:
            OperatorError: one line that says why it cannot be used.
        """
        make_data_folder(self.settings)
        try:
            if self.settings.database_url is not None:
                return _usable(self.settings.database_url)
            self._postgres = EmbeddedPostgres(self.settings.data, is_stopping=self._is_stopping)
            self._closing.callback(self._postgres.stop)
            return _started(self._postgres)
        except psycopg.OperationalError as error:
            kind = DatabaseAwayError if self._postgres is None and _is_away(error) else DatabaseUnreachableError
            raise kind(f"the database does not answer: {error}") from error
        except DatabaseTooNewError as error:
            raise DatabaseUnreachableError(str(error)) from error

    @property
    def wakes_folder(self) -> Path | None:
        """Where the processes of this machine tell each other of heads; None where others may use the database too."""
        return self.settings.data / "wakes" if self.settings.database_url is None else None

    def look_after_database(self, stop: threading.Event) -> None:
        """Start the embedded Postgres again whenever it died, until `stop`; a server elsewhere is not our care."""
        if self._postgres is not None:
            self._postgres.look_after(stop)

    @cached_property
    def pool(self) -> ConnectionPool[Connection[Any]]:
        """Autocommit connections for everything but the lane and the log's readers; broken ones are replaced."""
        pool: ConnectionPool[Connection[Any]] = ConnectionPool(
            self.conninfo,
            min_size=1,
            max_size=POOL_SIZE,
            kwargs={"autocommit": True},
            check=lambda connection: check_or_drain(pool, connection),
            timeout=10.0,
            reconnect_timeout=RECONNECT_S,
            open=True,
            name="parts",
        )
        self._closing.callback(pool.close)
        return pool

    @property
    def connect(self) -> Connect:
        """Lends a connection of the pool."""
        return self.pool.connection

    @cached_property
    def keys(self) -> "FileKeys | S3Keys":
        """The mailboxes' keys. A master key just made is announced once, on standard error: it must be backed up.

        Raises:
            OperatorError: the key store cannot be used as it lies there.
        """
        path = self.settings.master_key_file
        try:
            if self.settings.keys == "s3":
                keys: FileKeys | S3Keys = self._s3.keys(path)
            else:
                keys = FileKeys(self.settings.data / "keys", path)
        except MasterKeyError as error:
            raise OperatorError(str(error)) from error
        if keys.created_master_key:
            sys.stderr.write(
                f"ledgermail: made the master key {path}: back it up elsewhere, without it no mail can be read\n"
            )
        return keys

    @cached_property
    def blobs(self) -> "FileBlobs | S3Blobs":
        """Bodies and attachments.

        Raises:
            OperatorError: the bucket cannot be used.
        """
        if self.settings.blobs == "s3":
            return self._s3.blobs(self.settings.data / "spool")
        return FileBlobs(self.settings.data / "blobs")

    @cached_property
    def transfers(self) -> "S3Transfers | None":
        """What takes clients to the blob store itself, where it can be reached by them."""
        if isinstance(self.blobs, FileBlobs) or self.settings.s3_transfers == "through":
            return None
        return self._s3.transfers(self.blobs)

    def check_blobs(self) -> None:
        """Nothing, where an object could be stored now.

        Raises: StorageFullError, OSError.
        """
        if isinstance(self.blobs, FileBlobs):
            with self.blobs.spool() as spool:
                spool.write(b"ready")
        else:
            self.blobs.check()

    @cached_property
    def _s3(self) -> "S3Parts":
        from infra.s3_parts import S3Parts  # its client takes 0.2 s to import: only who uses it pays

        return S3Parts(self.settings)

    @cached_property
    def kafka(self) -> "KafkaParts | None":
        """Kafka, where accepted mail and wake-ups go by it.

        Raises:
            OperatorError: it can never be used as it is.
        """
        if self.settings.queue != "kafka":
            return None
        from infra.kafka.parts import KafkaParts  # its client takes 0.2 s to import: only who uses it pays

        kafka = KafkaParts(self.settings)
        self._closing.callback(kafka.close)
        kafka.prepare()
        return kafka

    @cached_property
    def queue(self) -> "PostgresQueue | KafkaQueue":
        """What was accepted and is not yet delivered: one for all threads."""
        if self.kafka is None:
            return PostgresQueue(self.connect, near=self._near_workers)
        queue = self.kafka.queue(self.connect)
        self._closing.callback(queue.close)
        return queue

    @cached_property
    def _near_workers(self) -> Mouth | None:
        if self.wakes_folder is None:
            return None
        mouth = Mouth(self.wakes_folder, KIND)
        self._closing.callback(mouth.close)
        return mouth

    @cached_property
    def search(self) -> SearchParts:
        """The search index."""
        return search_parts(self.settings, self.connect)

    @cached_property
    def redis(self) -> "RedisParts | None":
        """What a Redis holds, where the settings name one for that.

        Raises:
            OperatorError: it will never serve us; one that is only away at present is waited for.
        """
        if self.settings.cache != "redis":
            return None
        from infra.redis_server.parts import RedisParts  # its client takes a while to import: only who uses it pays

        redis = RedisParts(self.settings, self.keys)
        self._closing.callback(redis.close)
        return redis

    @cached_property
    def virus(self) -> "VirusParts | None":
        """What looks for viruses, where the settings name somebody who does."""
        if self.settings.clamd is None:
            return None
        from infra.virus.parts import VirusParts  # asyncio's streams: only who uses them pays

        results = PostgresScanResults(self.connect) if self.redis is None else self.redis.scan_results
        return VirusParts(self.settings.clamd, results)

    @cached_property
    def announcer(self) -> Announcer:
        """Tells other processes of heads reached."""
        own = PostgresTeller(self.conninfo)
        if self.redis is not None:
            announcer = Announcer(self.redis.teller, own)
        elif (folder := self.wakes_folder) is not None:
            announcer = Announcer(LocalTeller(folder), own)
        else:
            announcer = Announcer(own)
        self._closing.callback(announcer.close)
        return announcer

    @cached_property
    def lane(self) -> Lanes:
        """Where commands are appended."""
        lane = Lanes(
            self.conninfo,
            self.keys,
            retention_days=self.settings.retention_days,
            on_committed=self.announcer.announce,
        )
        self._closing.callback(lane.close)
        return lane

    @cached_property
    def return_paths(self) -> ReturnPaths:
        """The signed addresses that mail leaves under and reports come back to."""
        return ReturnPaths(self.keys.derived(RETURN_PATH_PURPOSE), self.settings.domains[0])

    @cached_property
    def suppressions(self) -> PostgresSuppressions:
        """To whom a mailbox does not write."""
        return PostgresSuppressions(self.connect)

    @cached_property
    def recorder(self) -> MailboxRecorder:
        """The rows of the log."""
        store = datastore(self.conninfo)
        self._closing.callback(store.close)
        return MailboxRecorder(store)

    @cached_property
    def reader(self) -> StreamReader:
        """The log, opened with the keys."""
        return StreamReader(self.recorder, self.keys)

    # -- doors

    @cached_property
    def certificate(self) -> Certificate | None:
        """What the mail doors show, where one is set.

        Raises:
            OperatorError: the files cannot be used.
        """
        return certificate(self.settings)

    @cached_property
    def dkim_keys(self) -> "PostgresDkimKeys":
        """The keys that mail of our domains is signed with."""
        from infra.dkim_keys import PURPOSE, PostgresDkimKeys  # 0.1 s of cryptography: only who signs pays

        return PostgresDkimKeys(self.connect, self.keys.derived(PURPOSE))

    @cached_property
    def srs(self) -> Srs:
        """Reverse-paths of what is forwarded."""
        return Srs(self.keys.derived(SRS_PURPOSE), self.settings.domains[0], clock_s=time.time)

    # -- accounts

    @cached_property
    def hashing(self) -> PasswordHashing:
        """One for the process: it bounds the memory of all who sign in."""
        return PasswordHashing()

    @cached_property
    def unfinished(self) -> Unfinished:
        """Finishes interrupted openings."""
        return Unfinished(self.connect, self.keys, self.lane)

    @cached_property
    def accounts(self) -> PostgresAccounts:
        """Looks accounts up."""
        return PostgresAccounts(self.connect)

    @cached_property
    def registration(self) -> PostgresRegistration:
        """Opens accounts."""
        return PostgresRegistration(
            self.connect,
            self.hashing,
            self.unfinished,
            domains=frozenset(self.settings.domains),
            is_open=self.settings.registration == "open",
            quota_bytes=self.settings.quota_bytes,
        )

    @cached_property
    def failure_counts(self) -> Buckets:
        """Where failures to sign in are counted."""
        return PostgresBuckets(self.connect) if self.redis is None else self.redis.failure_counts

    @cached_property
    def credentials(self) -> CredentialCheck:
        """The check of address and password."""
        return CredentialCheck(self.connect, self.hashing, SignInThrottle(self.failure_counts))

    @cached_property
    def sessions(self) -> PostgresSessions:
        """Sessions and their tokens."""
        known = None if self.redis is None else self.redis.known_tokens
        return PostgresSessions(
            self.connect, self.credentials, self.unfinished, self.lane, self.second_factors, known=known
        )

    @cached_property
    def second_factors(self) -> PostgresSecondFactors:
        """Codes beside the password."""
        return PostgresSecondFactors(
            self.connect,
            accounts=self.accounts,
            check=self.credentials,
            throttle=SignInThrottle(self.failure_counts, "second factor", account=WRONG_CODES),
            appender=self.lane,
            secret=self.keys.derived(SECOND_FACTORS_PURPOSE),
            issuer=self.settings.hostname,
        )

    @cached_property
    def passwords(self) -> PostgresPasswords:
        """Changes of passwords."""
        return PostgresPasswords(
            self.connect, self.accounts, self.credentials, self.hashing, self.unfinished, self.sessions
        )

    @cached_property
    def _native_throttle(self) -> SignInThrottle:
        return SignInThrottle(self.failure_counts, "app password")

    @cached_property
    def app_passwords(self) -> PostgresAppPasswords:
        """Passwords of native clients."""
        return PostgresAppPasswords(self.connect, self.credentials, self._native_throttle, self.lane)

    @cached_property
    def native_sign_in(self) -> PostgresNativeSignIn:
        """How native clients sign in."""
        return PostgresNativeSignIn(
            app_passwords=self.app_passwords,
            credentials=self.credentials,
            hashing=self.hashing,
            throttle=self._native_throttle,
            unfinished=self.unfinished,
            sessions=self.sessions,
            connect=self.connect,
        )

    @cached_property
    def administration(self) -> Administration:
        """What only the operator does to accounts."""
        return Administration(self.connect, self.keys, self.lane, self.unfinished)

    def ensure_operator(self) -> None:
        """The account that postmaster and abuse lead to is there. Every program that takes mail begins with it."""
        operator = accounts_directory.operator_address(self.settings)
        accounts_directory.ensure_operator(self.connect, self.registration, self.unfinished, operator=operator)

    @cached_property
    def directory(self) -> Directory:
        """From addresses to mailboxes."""
        return accounts_directory.PostgresDirectory(
            self.connect,
            self.unfinished,
            domains=frozenset(self.settings.domains),
            operator=accounts_directory.operator_address(self.settings),
        )


def _started(postgres: EmbeddedPostgres) -> str:
    """The embedded server's URL; where it dies before it is used it is started again."""
    for _again in range(STARTS - 1):
        with suppress(psycopg.OperationalError):
            return _usable(postgres.start())
    return _usable(postgres.start())


def _is_away(error: psycopg.OperationalError) -> bool:
    """Whether it may answer later: nobody there, or a server that starts, stops or is crowded.

    What it refuses, or what is no URL for libpq, never will.
    """
    text = str(error)
    if any(passing in text for passing in _PASSING):
        return True
    return "FATAL:" not in text and "connection is bad: invalid" not in text


def _usable(url: str) -> str:
    """The URL, of a server that is durable and migrated."""
    with psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_S) as connection:
        check_durability(connection)
    migrate(url)
    return url
