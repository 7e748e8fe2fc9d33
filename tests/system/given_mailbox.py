"""A real lane on a real database, for tests: open mailboxes, run commands, compare the views with the fold."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from domain.decisions.opening import OpenMailbox
from domain.ids import MailboxId, new_id
from domain.mailbox_state import MailboxState, difference
from infra.file_keys import FileKeys
from infra.store.lane import Lane
from infra.store.reading import StreamReader
from infra.store.recorder import MailboxRecorder, datastore
from infra.views.stored_rows import stored_rows


class GivenMailboxes:
    """Everything that a test of the log needs, wired by hand."""

    def __init__(self, database_url: str, folder: Path, **lane_options: Any) -> None:
        self.url = database_url
        self.keys = FileKeys(folder / "keys", folder / "keys" / "master.key")
        self.lane = Lane(database_url, self.keys, **lane_options)
        self.store = datastore(database_url, pool_size=1)
        self.recorder = MailboxRecorder(self.store)
        self.reader = StreamReader(self.recorder, self.keys)

    def close(self) -> None:
        self.lane.close()
        self.store.close()

    def open(self, address: str = "ada@example.test", *, quota_bytes: int = 10**9) -> MailboxId:
        mailbox_id = MailboxId(new_id("m"))
        with psycopg.connect(self.url) as connection:
            connection.execute("INSERT INTO mailboxes (mailbox_id) VALUES (%s)", (mailbox_id,))
        self.keys.create(mailbox_id)
        self.lane.run(
            OpenMailbox(
                mailbox_id=mailbox_id,
                command_id="open",
                address=address,
                display_name=address.partition("@")[0],
                quota_bytes=quota_bytes,
            )
        )
        return mailbox_id

    def fold(self, mailbox_id: MailboxId) -> MailboxState:
        return MailboxState.replay(self.reader.recorded(mailbox_id))

    def differences(self, mailbox_id: MailboxId) -> list[str]:
        """In what the views in step differ from the fold of the log: must be nothing."""
        with psycopg.connect(self.url) as connection:
            return difference(self.fold(mailbox_id).rows(), stored_rows(connection, mailbox_id))


@contextmanager
def given_mailboxes(database_url: str, folder: Path, **lane_options: Any) -> Iterator[GivenMailboxes]:
    given = GivenMailboxes(database_url, folder, **lane_options)
    try:
        yield given
    finally:
        given.close()
