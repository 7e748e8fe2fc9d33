"""The lane: commands wait in it together and are appended together, one disk flush for all that wait.

One round trip locks the mailbox rows in id order and, in statements behind the lock, reads the commands seen and the
declared rows; the decisions then run one after another on the evolving rows; a second round trip writes events, rows,
effects, command rows and one wake-up a mailbox, and commits. Alone, a command waits for nobody. If a gathered commit
fails, each of its commands is run again by itself, so that only the guilty one fails. After a lost connection the same
commands are submitted again: the lock orders them behind their own ghosts, whose command rows then answer.
"""

import queue
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
import psycopg

from domain.commands import Command, Context, Decided, HoldBlobs, Outcome, Refusal, TakeFromOutbox, digest
from domain.events import RecordedEvent
from domain.ids import MailboxId, new_id
from domain.rows import Needs, Rows, RowsMissingError
from infra.keys import KeyDestroyedError, KeyMissingError, Keys, MailboxKey
from infra.sealing import open_sealed, seal
from infra.store.array_literals import numbers, octets, texts
from infra.store.effects import write_effects
from infra.store.liveliness import LIVELY
from infra.store.mapper import StoredRow, keyed_message, to_stored
from infra.store.recorder import MailboxRecorder
from infra.store.row_loading import ROWS_BY_KEY, GenerationChangedError, Loading, Seen, read_json_as_raw
from infra.store.row_writing import Written, lead_references, mailbox_parameter, row_parameters
from infra.store.wire import Parameter, Wire
from projections.in_step import Touched, changes

MAX_GATHERED = 256
MANY = 8
MOMENT_S = 0.002
"""Where at least `MANY` commands came together, the next gathering waits that long for as many; alone, for nobody."""
LOCK_PATIENCE_S = 30.0
"""How long a command waits for a mailbox that somebody else holds locked; the others of its lane go on meanwhile."""
LOCK_TIMEOUT_MS, LOCK_TIMEOUT_ALONE_MS, LOCK_PAUSE_S = 2_000, 200, 0.5
REMEMBERED_GENERATIONS = 100_000
MAX_ROUNDS = 8
"""How often missing rows may be loaded before a decision is called broken."""

_APPEND = (
    "SELECT append_commit(%s::text[], %s::bigint[], %s::text[], %b::bytea[], %s::bigint[], %s::text[], %b::bytea[],"
    " %s::text[], %s::bigint[], %s::text[], %b::bytea[], %s::json,"
    " %s::text[], %s::text[], %b::bytea[], %s::bigint[], %s::bigint[], %b::bytea[], %s::text[], %s::text[],"
    " %s::json, %s::json, %s::json, %s::json, %s::json, %s::json, %s::json, %s::json)"
)


class MailboxUnknownError(Refusal):
    """There is no such mailbox, or its key is gone."""

    code = "mailbox_unknown"


class MailboxBusyError(psycopg.OperationalError):
    """Somebody held the mailbox locked for as long as a command waits; nothing was appended, a later try may."""


class CommandReusedError(Refusal):
    """The command id was seen before with another command."""

    code = "idempotency_key_reused"


class LaneClosedError(Exception):
    """The lane takes no more commands."""


class _Waiting(msgspec.Struct, eq=False):
    command: Command
    future: "Future[Outcome]"
    needs: Needs
    digest: bytes
    busy_until: float = 0.0
    """Set once its mailbox was found locked: when to give up. Such a command is run by itself."""


class _Ran(msgspec.Struct):
    """One gathered command decided: its stored rows and what to remember."""

    waiting: _Waiting
    decided: Decided
    first_seq: int
    last_seq: int
    answer: dict[str, Any]
    sealed_answer: bytes


class _Batch:
    """The working sets of one gathered commit."""

    def __init__(self, rows: dict[MailboxId, Rows]) -> None:
        self.rows = rows
        self.heads = {m: (r.mailbox.head, r.mailbox.head_hash) for m, r in rows.items()}
        self.touched: dict[MailboxId, Touched] = {}
        self.stored: list[StoredRow] = []
        self.salted: list[tuple[StoredRow, str]] = []
        self.ran: list[_Ran] = []
        self.repeated: list[tuple[_Waiting, Outcome]] = []
        self.refused: list[tuple[_Waiting, Exception]] = []

    @property
    def changed(self) -> list[MailboxId]:
        return list(self.touched)

    def written(self) -> list[Written]:
        return [Written(self.rows[m], touched, *self.heads[m]) for m, touched in self.touched.items()]


class Lane:
    """Appends commands, gathered. One thread, one connection; any number of lanes and processes side by side."""

    def __init__(
        self,
        conninfo: str,
        keys: Keys,
        *,
        retention_days: int = 30,
        on_committed: Callable[[Sequence[tuple[MailboxId, int]]], None] | None = None,
        clock_ms: Callable[[], int] | None = None,
        max_gathered: int = MAX_GATHERED,
    ) -> None:
        self._conninfo = conninfo
        self._keys = keys
        self._retention_days = retention_days
        self._on_committed = on_committed or (lambda _heads: None)
        self._clock_ms = clock_ms or (lambda: time.time_ns() // 1_000_000)
        self._max_gathered = max_gathered
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._last_gathered = 0
        self._closed = False
        self._gate = threading.Lock()
        self._wire: Wire | None = None
        self._generations: dict[MailboxId, int] = {}
        """The live generations as this lane last saw them: a guess that is checked under every lock."""
        self._thread = threading.Thread(target=self._run, name="lane", daemon=True)
        self._thread.start()

    def submit(self, command: Command) -> "Future[Outcome]":
        """Queue a command. The future's exception is a `Refusal` or what else went wrong; nothing was appended then."""
        waiting = _Waiting(command, Future(), command.needs(), digest(command))
        with self._gate:
            if self._closed:
                raise LaneClosedError("the lane is closed")
            self._queue.put(waiting)
        return waiting.future

    def run(self, command: Command, *, timeout_s: float | None = 60) -> Outcome:
        """Append a command and wait until it is durable."""
        return self.submit(command).result(timeout_s)

    def close(self) -> None:
        """Finish what waits, then stop."""
        with self._gate:
            if not self._closed:
                self._closed = True
                self._queue.put(None)
        self._thread.join()

    # -- the lane's own thread

    def _run(self) -> None:
        while (first := self._queue.get()) is not None:
            gathered, last = self._gather(first)
            wanted = [one for one in gathered if one.busy_until or one.future.set_running_or_notify_cancel()]
            self._append_all([one for one in wanted if not one.busy_until])
            for one in wanted:
                if one.busy_until:
                    self._append_all([one])
            if last:
                break
        self._refuse_what_is_left()
        if self._wire is not None:
            self._wire.close()

    def _gather(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """What waits; and where many came together last time, for a moment those who have just had their answer."""
        gathered = [first]
        expected = self._last_gathered * 3 // 4 if self._last_gathered >= MANY else 0
        deadline = time.monotonic() + MOMENT_S
        while len(gathered) < self._max_gathered:
            patience_s = deadline - time.monotonic() if len(gathered) < expected else 0
            try:
                waiting = self._queue.get(timeout=patience_s) if patience_s > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is None:
                return gathered, True
            gathered.append(waiting)
        self._last_gathered = len(gathered)
        return gathered, False

    def _refuse_what_is_left(self) -> None:
        """Commands that waited for a lock and came back after the end."""
        while True:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                return
            if waiting is not None and not waiting.future.done():
                waiting.future.set_exception(LaneClosedError("the lane is closed"))

    def _append_all(self, gathered: list[_Waiting]) -> None:
        if not gathered:
            return
        try:
            self._append_surely(gathered)
        except psycopg.errors.LockNotAvailable:
            for waiting in gathered:
                if len(gathered) > 1:
                    self._append_all([waiting])
                else:
                    self._try_later(waiting)
        except Exception as failure:  # noqa: BLE001 - the failure is handed to the commands' futures
            if len(gathered) == 1:
                gathered[0].future.set_exception(failure)
                return
            for waiting in gathered:
                if not waiting.future.done():
                    self._append_all([waiting])

    def _try_later(self, waiting: _Waiting) -> None:
        """Its mailbox is locked: back into the queue after a moment, until its patience is over."""
        now = time.monotonic()
        waiting.busy_until = waiting.busy_until or now + LOCK_PATIENCE_S
        if now > waiting.busy_until or self._closed:
            busy = MailboxBusyError(f"mailbox {waiting.command.mailbox_id} is locked by somebody else")
            waiting.future.set_exception(busy)
            return
        timer = threading.Timer(LOCK_PAUSE_S, self._queue.put, (waiting,))
        timer.daemon = True
        timer.start()

    def _append_surely(self, gathered: list[_Waiting]) -> None:
        """Append, again after a lost connection, with patience."""
        for pause_s in (0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, None):
            try:
                self._append(gathered)
            except psycopg.errors.LockNotAvailable:
                raise
            except (psycopg.OperationalError, psycopg.InterfaceError):
                self._drop_connection()
                if pause_s is None or self._closed:
                    raise
                time.sleep(pause_s)
            else:
                return

    def _drop_connection(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None

    def _connected(self) -> Wire:
        if self._wire is None or self._wire.is_closed:
            connection = psycopg.connect(self._conninfo, autocommit=True, **LIVELY)
            connection.execute(ROWS_BY_KEY)
            connection.execute(f"SET lock_timeout = {LOCK_TIMEOUT_MS}")
            connection.execute("SET idle_in_transaction_session_timeout = '60s'")
            read_json_as_raw(connection)
            self._wire = Wire(connection)
        return self._wire

    def _append(self, gathered: list[_Waiting]) -> None:
        wire = self._connected()
        try:
            wire.ask("BEGIN")
            if gathered[0].busy_until:
                wire.ask(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_ALONE_MS}")
            batch = self._decide(wire, gathered)
            if batch.ran:
                self._write(wire, batch)
            else:
                wire.ask("COMMIT")
                wire.round_trip()
        except BaseException:
            if not wire.is_closed:
                wire.roll_back()
            raise
        self._answer(batch)

    def _decide(self, wire: Wire, gathered: list[_Waiting]) -> _Batch:
        """Lock, read and decide; again with more rows while a decision or a view asks for them."""
        needs: dict[MailboxId, Needs] = {}
        for waiting in gathered:
            mailbox_id = waiting.command.mailbox_id
            known = needs.get(mailbox_id)
            needs[mailbox_id] = waiting.needs if known is None else known | waiting.needs
        for _round in range(MAX_ROUNDS):
            try:
                return self._read_and_decide(wire, gathered, needs)
            except GenerationChangedError as changed:
                self._remember_generations(changed.live)
            except _MissingRowsError as missing:
                for mailbox_id, more in missing.needs.items():
                    needs[mailbox_id] = needs[mailbox_id] | more
        raise RuntimeError(f"a decision asked for more rows {MAX_ROUNDS} times")

    def _remember_generations(self, live: Mapping[MailboxId, int]) -> None:
        if len(self._generations) + len(live) > REMEMBERED_GENERATIONS:
            self._generations.clear()
        self._generations.update({m: generation for m, generation in live.items() if generation != 1})

    def _read_and_decide(self, wire: Wire, gathered: list[_Waiting], needs: Mapping[MailboxId, Needs]) -> _Batch:
        now_ms = self._clock_ms()
        loading = Loading(wire)
        commands = [(w.command.mailbox_id, w.command.command_id) for w in gathered]
        first = loading.lock(needs, commands, self._generations)
        loading.ask(needs, now_ms, locked=True)
        wire.round_trip()
        rows, before = first.take()
        batch = _Batch(rows)
        loading.take(batch.rows, needs)
        missing: dict[MailboxId, Needs] = {}
        for waiting in gathered:
            if waiting.command.mailbox_id not in missing:
                try:
                    self._decide_one(batch, waiting, before, now_ms)
                except RowsMissingError as asked:
                    missing[waiting.command.mailbox_id] = asked.needs
        if missing:
            raise _MissingRowsError(missing)
        return batch

    def _decide_one(
        self,
        batch: _Batch,
        waiting: _Waiting,
        seen: Seen,
        now_ms: int,
    ) -> None:
        command = waiting.command
        try:
            key = self._key(batch, command.mailbox_id)
            if command.mailbox_id not in batch.rows or key is None:
                raise MailboxUnknownError(command.mailbox_id)
            if (first := seen.get((command.mailbox_id, command.command_id))) is not None:
                batch.repeated.append((waiting, _first_outcome(waiting, first, key)))
                return
            ran = self._run_one(batch, waiting, key, now_ms)
        except (Refusal, KeyDestroyedError, KeyMissingError) as refusal:
            batch.refused.append((waiting, refusal))
            return
        seen[command.mailbox_id, command.command_id] = (
            waiting.digest,
            ran.first_seq,
            ran.last_seq,
            ran.sealed_answer,
        )

    def _key(self, batch: _Batch, mailbox_id: MailboxId) -> MailboxKey | None:
        """The mailbox's key; none where it was destroyed or nothing was sealed under it yet.

        Raises: KeyMissingError, which is no refusal: what is to be appended waits until the key store is whole again.
        """
        try:
            return self._keys.get(mailbox_id)
        except KeyMissingError:
            if mailbox_id in batch.rows and batch.rows[mailbox_id].mailbox.head > 0:
                raise
            return None

    def _run_one(self, batch: _Batch, waiting: _Waiting, key: MailboxKey, now_ms: int) -> _Ran:
        command = waiting.command
        rows = batch.rows[command.mailbox_id]
        mailbox = rows.mailbox
        at = max(now_ms, mailbox.recorded_at)
        # The clock judges limits and deadlines; only what is recorded never goes back.
        decided = command.decide(rows, Context(now_ms, _noted_ids(rows)))
        first_seq = mailbox.head + 1
        if decided.events:
            touched = batch.touched.setdefault(command.mailbox_id, Touched())
            who = msgspec.structs.replace(command.who, command_id=command.command_id)
            for event in decided.events:
                message_id = keyed_message(event)
                row = to_stored(
                    key,
                    event,
                    who,
                    mailbox_id=command.mailbox_id,
                    seq=mailbox.head + 1,
                    recorded_at=at,
                    before=mailbox.head_hash,
                    salt=secrets.token_bytes(16) if message_id is not None else None,
                )
                batch.stored.append(row)
                if message_id is not None:
                    batch.salted.append((row, message_id))
                mailbox.head_hash = row.hash
                changes(rows, (RecordedEvent(row.seq, row.topic, at, event),), touched)
        for effect in decided.effects:
            if isinstance(effect, TakeFromOutbox) and (sub := rows.submissions.get(effect.submission_id)) is not None:
                sub.waiting = False
        answer = {"seq": mailbox.head} | decided.answer
        ran = _Ran(waiting, decided, first_seq, mailbox.head, answer, _sealed_answer(key, command, answer))
        batch.ran.append(ran)
        return ran

    def _write(self, wire: Wire, batch: _Batch) -> None:
        written = batch.written()
        lead_references(wire, written)
        effects = [(ran.waiting.command.mailbox_id, effect) for ran in batch.ran for effect in ran.decided.effects]
        held = [
            (effect.holder, name) for _, effect in effects if isinstance(effect, HoldBlobs) for name in effect.names
        ]
        parameters = (
            *MailboxRecorder.parameters(batch.stored, batch.salted),
            mailbox_parameter(written),
            *_command_parameters(batch.ran),
            texts([holder for holder, _ in held]),
            texts([name for _, name in held]),
            *row_parameters(written),
        )
        wire.ask(_APPEND, parameters)
        if effects:
            write_effects(wire, effects, now_ms=self._clock_ms(), retention_days=self._retention_days)
        wire.ask("COMMIT")
        wire.round_trip()

    def _answer(self, batch: _Batch) -> None:
        if batch.changed:
            self._on_committed([(m, batch.rows[m].mailbox.head) for m in batch.changed])
        for waiting, refusal in batch.refused:
            waiting.future.set_exception(refusal)
        for waiting, outcome in batch.repeated:
            waiting.future.set_result(outcome)
        for ran in batch.ran:
            ran.waiting.future.set_result(Outcome(ran.last_seq, ran.first_seq, ran.answer))


def _command_parameters(ran: Sequence[_Ran]) -> tuple[Parameter, ...]:
    return (
        texts([one.waiting.command.mailbox_id for one in ran]),
        texts([one.waiting.command.command_id for one in ran]),
        octets([one.waiting.digest for one in ran]),
        numbers(one.first_seq for one in ran),
        numbers(one.last_seq for one in ran),
        octets([one.sealed_answer for one in ran]),
    )


class _MissingRowsError(Exception):
    """What the mailboxes of a round lack."""

    def __init__(self, needs: Mapping[MailboxId, Needs]) -> None:
        super().__init__(", ".join(needs))
        self.needs = needs


_KINDS = {"e": "message", "t": "thread", "l": "label", "d": "draft", "s": "submission"}
_DOCUMENT_KINDS = {"c": "contact", "i": "identity"}


def _noted_ids(rows: Rows) -> Callable[[str], str]:
    """Makes new ids and notes that no row can stand under them yet."""

    def make(prefix: str) -> str:
        made = new_id(prefix)
        if (kind := _KINDS.get(prefix)) is not None:
            rows.asked.add((kind, made))
        elif (kind := _DOCUMENT_KINDS.get(prefix)) is not None:
            rows.asked.add(("document", (kind, made)))
        return made

    return make


def _answer_aad(command: Command) -> bytes:
    return b"answer\0%b\0%b" % (command.mailbox_id.encode(), command.command_id.encode())


def _sealed_answer(key: MailboxKey, command: Command, answer: Mapping[str, Any]) -> bytes:
    return seal(key.secret, msgspec.json.encode(answer), _answer_aad(command))


def _first_outcome(waiting: _Waiting, first: tuple[bytes, int, int, bytes], key: MailboxKey) -> Outcome:
    known, first_seq, last_seq, answer = first
    trusted = getattr(type(waiting.command), "TRUSTED_ID", False)
    if known != waiting.digest and not trusted:
        raise CommandReusedError(waiting.command.command_id)
    opened = msgspec.json.decode(open_sealed(key.secret, answer, _answer_aad(waiting.command)))
    return Outcome(last_seq, first_seq, opened, repeated=True)
