"""Restoring a backup into an empty data folder. Whoever was erased since, or before, does not come back.

Everything is verified first. Then keys, blobs and the database are put in place, and every mailbox says
`MailboxRestored`: each of its labels has a UIDVALIDITY that it never had, since clients may know UIDs that the backup
does not. Interrupted, it goes on when called again: a mark in the data folder says which backup is being restored.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
import psycopg

from domain.commands import Refusal
from domain.decisions import RestoreMailbox
from domain.events import Who
from domain.ids import MailboxId, new_id
from infra.backup_files import (
    BackupError,
    Listed,
    Manifest,
    digest,
    inside,
    listed_files,
    read_manifest,
    require_intact,
)
from infra.durable_files import create_exclusively, flush_folder
from infra.file_keys import FileKeys
from infra.keys import KeyMissingError, MasterKeyError
from infra.migrations import migrate
from infra.postgres_tools import restore as restore_database
from infra.search_epoch import begin_search_epoch
from infra.store.lane import Lane

MARK = "restoring.json"
WHO = Who(actor="operator", client="ledgermail restore-backup", protocol="command line")
AT_ONCE = 256

Progress = Callable[[str, int, int], None]
"""Told (what, done, of how many or 0)."""


class Restored(msgspec.Struct):
    """What a restore came to."""

    files: int = 0
    mailboxes: int = 0
    erased: int = 0
    """Mailboxes whose keys are destroyed: their events stay redacted."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a backup is restored to. `tombstones` are key folders of installations whose erasures count, too."""

    data: Path
    master_key_file: Path
    tombstones: tuple[Path, ...] = ()

    @property
    def keys(self) -> Path:
        """The key store."""
        return self.data / "keys"


class _Mark(msgspec.Struct, frozen=True):
    backup_id: str
    restore_id: str


def restore_backup(
    folder: Path,
    target: Target,
    *,
    start_database: Callable[[], str],
    progress: Progress = lambda _what, _done, _all: None,
) -> Restored:
    """Restore a backup; `start_database` gives the URL of a running, empty database once the files are in place.

    Raises:
        BackupError: the backup is damaged, the master key is missing, or the target holds something else.
        psycopg.Error: call again to go on.
    """
    manifest = read_manifest(folder)
    _require_empty(target, manifest)
    _require_master_key(folder, target, manifest)
    _verify(folder, manifest, progress)
    mark = _begun(target, manifest)
    restored = Restored()
    _place_files(folder, target, manifest, restored=restored, progress=progress)
    keys = _keys(folder, target)
    conninfo = start_database()
    _fill_database(conninfo, inside(folder, manifest.database.path), progress)
    _announce_restored(conninfo, keys, mark, restored=restored, progress=progress)
    (target.data / MARK).unlink()
    flush_folder(target.data)
    return restored


def _require_empty(target: Target, manifest: Manifest) -> None:
    if _mark(target) is not None:
        return
    left = sorted(entry.name for entry in target.data.iterdir()) if target.data.is_dir() else []
    others = [name for name in left if name != "keys" and target.data / name != target.master_key_file]
    if others:
        raise BackupError(
            f"{target.data} is not empty ({', '.join(others[:3])}): set LEDGERMAIL_DATA to a new folder"
            f" to restore the backup of {manifest.made_at}"
        )


def _mark(target: Target) -> _Mark | None:
    try:
        return msgspec.json.decode((target.data / MARK).read_bytes(), type=_Mark)
    except FileNotFoundError:
        return None


def _begun(target: Target, manifest: Manifest) -> _Mark:
    """The mark of this restore, made where it begins."""
    found = _mark(target)
    if found is None:
        found = _Mark(manifest.backup_id, new_id("r"))
        target.data.mkdir(mode=0o711, parents=True, exist_ok=True)
        create_exclusively(target.data / MARK, msgspec.json.encode(found), temporary=target.data / f"{MARK}.part")
    if found.backup_id != manifest.backup_id:
        raise BackupError(f"{target.data} holds the half of another backup: go on with that, or take a new folder")
    return found


def _require_master_key(folder: Path, target: Target, manifest: Manifest) -> None:
    if target.master_key_file.exists():
        return
    if manifest.master_key is None:
        raise BackupError(f"the backup is without its master key: put it back as {target.master_key_file}, mode 0600")
    require_intact(folder, manifest.master_key)
    target.master_key_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = target.master_key_file
    key = inside(folder, manifest.master_key.path).read_bytes()
    create_exclusively(path, key, temporary=path.with_name(f".{path.name}.part"))


def _verify(folder: Path, manifest: Manifest, progress: Progress) -> None:
    require_intact(folder, manifest.database)
    require_intact(folder, manifest.files)
    for done, listed in enumerate(listed_files(folder, manifest), start=1):
        require_intact(folder, listed.sum)
        progress("verify", done, 0)


def _place_files(folder: Path, target: Target, manifest: Manifest, *, restored: Restored, progress: Progress) -> None:
    target.keys.mkdir(mode=0o700, exist_ok=True)
    for listed in listed_files(folder, manifest):
        _place(folder, target, listed)
        restored.files += 1
        progress("files", restored.files, 0)
    os.sync()


def _place(folder: Path, target: Target, listed: Listed) -> None:
    """A blob or key in its place, unless it lies there already; what is erased there stays erased."""
    source, path = inside(folder, listed.path), inside(target.data, listed.name)
    if path.exists():
        if listed.name.startswith("blobs/") and digest(path) != listed.sha256:
            path.unlink()
        else:
            return
    _made_folder(path.parent, target.data)
    if listed.name.startswith("blobs/"):
        try:
            os.link(source, path)
        except OSError:
            shutil.copy2(source, path)
        return
    temporary = path.with_name(f".{path.name}.part")
    temporary.unlink(missing_ok=True)
    create_exclusively(path, source.read_bytes(), temporary=temporary)


def _made_folder(folder: Path, top: Path) -> None:
    if folder != top and not folder.is_dir():
        _made_folder(folder.parent, top)
        folder.mkdir(mode=0o700, exist_ok=True)


def _keys(folder: Path, target: Target) -> FileKeys:
    """The key store; opening it destroys what has a tombstone."""
    try:
        keys = FileKeys(target.keys, target.master_key_file)
        for other in (folder / "keys", *target.tombstones):
            keys.merge_tombstones(other)
    except MasterKeyError as error:
        raise BackupError(str(error)) from error
    return keys


def _fill_database(conninfo: str, dump: Path, progress: Progress) -> None:
    progress("database", 0, 0)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        filled = connection.execute("SELECT to_regclass('mailboxes') IS NOT NULL").fetchone() == (True,)
    if not filled:  # pg_restore is one transaction: what is there is there whole
        restore_database(conninfo, dump)
    migrate(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        # The search index is no part of a backup: its follower begins anew.
        connection.execute("DELETE FROM followers WHERE view = 'search'")
        begin_search_epoch(connection)
        connection.execute("ANALYZE")


def _announce_restored(conninfo: str, keys: FileKeys, mark: _Mark, *, restored: Restored, progress: Progress) -> None:
    """`MailboxRestored` in every mailbox that can be opened; once, however often this is called."""
    with psycopg.connect(conninfo, autocommit=True) as connection:
        found = connection.execute(
            "SELECT mailbox_id FROM mailboxes WHERE head > 0 AND NOT erased ORDER BY mailbox_id"
        ).fetchall()
    lane = Lane(conninfo, keys)
    try:
        for start in range(0, len(found), AT_ONCE):
            some = [MailboxId(row[0]) for row in found[start : start + AT_ONCE]]
            _announce(lane, some, keys, mark, restored)
            _mark_erased(conninfo, [mailbox_id for mailbox_id in some if keys.get(mailbox_id) is None])
            progress("mailboxes", restored.mailboxes + restored.erased, len(found))
    finally:
        lane.close()


def _announce(lane: Lane, mailboxes: list[MailboxId], keys: FileKeys, mark: _Mark, restored: Restored) -> None:
    try:
        live = [mailbox_id for mailbox_id in mailboxes if keys.get(mailbox_id) is not None]
    except KeyMissingError as error:
        raise BackupError(str(error)) from error
    restored.erased += len(mailboxes) - len(live)
    command_id = f"restore:{mark.restore_id}"
    futures = [lane.submit(RestoreMailbox(mailbox_id=m, command_id=command_id, who=WHO)) for m in live]
    for mailbox_id, future in zip(live, futures, strict=True):
        try:
            future.result()
        except Refusal as refusal:
            raise BackupError(f"mailbox {mailbox_id} cannot be restored: {refusal}") from refusal
        restored.mailboxes += 1


def _mark_erased(conninfo: str, mailboxes: list[MailboxId]) -> None:
    """What the backup still has of those whose keys are destroyed is nobody's to read: the service removes it."""
    with psycopg.connect(conninfo, autocommit=True) as connection, connection.transaction():
        connection.execute("UPDATE mailboxes SET erased = true WHERE mailbox_id = ANY (%s)", (mailboxes,))
        connection.execute("UPDATE accounts SET state = 'closed' WHERE mailbox_id = ANY (%s)", (mailboxes,))
        connection.execute("UPDATE directory SET state = 'closed' WHERE mailbox_id = ANY (%s)", (mailboxes,))
