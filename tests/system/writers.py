"""Processes that append through lanes of their own and say what was acknowledged."""

import multiprocessing
import os
import threading
from collections.abc import Sequence
from itertools import count
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from domain.commands import Outcome
from domain.decisions import Deliver, Modify
from domain.ids import MailboxId
from infra.file_keys import FileKeys
from infra.store.lane import Lane
from tests.domain.decided_mailbox import PERSONAL, server

BLOB = "emails/w.eml"
"""What every message of a writer consists of: to be touched first."""

_fork = multiprocessing.get_context("fork")


def delivery(mailbox_id: MailboxId, command_id: str, *mentions: str) -> Deliver:
    made = server(own=command_id, mentions=mentions)
    return Deliver(
        mailbox_id=mailbox_id,
        command_id=command_id,
        personal=PERSONAL,
        server=type(made)(blob=BLOB, refs=made.refs),
        size=100,
        received_at=1_795_000_000_000,
        labels=("INBOX",),
        source="inbound",
    )


def reading(mailbox_id: MailboxId, command_id: str, *ids: str) -> Modify:
    return Modify(mailbox_id=mailbox_id, command_id=command_id, ids=ids, add_keywords=("$seen", "work"))


class Writer:
    """A forked process with one lane and some threads that deliver and read mail, until killed or done with `commands`.

    Before a command is handed over its id is written to `begun`, after its answer id and seqs to `acknowledged`: one
    `write` each, which a kill cannot take back.
    """

    def __init__(self, url: str, folder: Path, mailboxes: Sequence[MailboxId], *, name: str, commands: int = 10**9):
        self._url, self._folder, self._mailboxes = url, folder, mailboxes
        self._name, self._commands = name, commands
        self.threads = 4
        self.begun, self.acknowledged = folder / f"{name}.begun", folder / f"{name}.acknowledged"
        self._process: BaseProcess | None = None

    @property
    def process(self) -> BaseProcess:
        assert self._process is not None
        return self._process

    def start(self) -> None:
        self._process = _fork.Process(target=self._write, daemon=True)
        self._process.start()

    def kill(self) -> None:
        self.process.kill()
        self.process.join(20)

    def ids_begun(self) -> list[str]:
        return _complete_lines(self.begun)

    def outcomes(self) -> dict[str, tuple[str, int, int]]:
        """Mailbox, first seq and last seq by command id."""
        lines = (line.split() for line in _complete_lines(self.acknowledged))
        return {command_id: (mailbox_id, int(first), int(last)) for command_id, mailbox_id, first, last in lines}

    def _write(self) -> None:
        keys = FileKeys(self._folder / "keys", self._folder / "keys" / "master.key")
        lane, numbers, failed = Lane(self._url, keys), count(), []
        begun, acknowledged = (
            os.open(p, os.O_CREAT | os.O_APPEND | os.O_WRONLY) for p in (self.begun, self.acknowledged)
        )

        def run(command: Any) -> Outcome:
            os.write(begun, f"{command.command_id}\n".encode())
            outcome = lane.run(command)
            line = f"{command.command_id} {command.mailbox_id} {outcome.first_seq} {outcome.seq}\n"
            os.write(acknowledged, line.encode())
            return outcome

        def keep_writing() -> None:
            try:
                while (number := next(numbers)) < self._commands:
                    mailbox_id = self._mailboxes[number % len(self._mailboxes)]
                    command_id = f"{self._name}-{number}"
                    outcome = run(delivery(mailbox_id, command_id, f"{self._name}-{number - number % 7}"))
                    if number % 3 == 0:
                        run(reading(mailbox_id, f"{command_id}-read", outcome.answer["id"]))
            except Exception as error:
                failed.append(error)
                raise

        threads = [threading.Thread(target=keep_writing) for _ in range(self.threads)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        lane.close()
        os._exit(1 if failed else 0)


def _complete_lines(path: Path) -> list[str]:
    text = path.read_text() if path.exists() else ""
    return text[: text.rfind("\n") + 1].splitlines()
