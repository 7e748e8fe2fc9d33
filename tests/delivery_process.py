"""A delivery worker in a process of its own, for tests that kill it: says a line at every step of every batch.

Called with the database's URL and the data folder; the mailboxes are m0 … m9, of u0@example.test … u9@example.test.
"""

import sys
from pathlib import Path
from typing import Any

from domain.addresses import EmailAddress
from domain.ids import MailboxId
from gateways.directory import DirectoryEntry
from infra.queue_hints import QueueHints
from tests.post_office import post_office


class Announced:
    """Something that says when one of its methods was called."""

    def __init__(self, real: Any, *methods: str) -> None:
        self._real, self._methods = real, methods

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in self._methods:
            return real

        def announced(*arguments: Any, **named: Any) -> Any:
            answer = real(*arguments, **named)
            sys.stdout.write(f"{name}\n")
            sys.stdout.flush()
            return answer

        return announced


def main(url: str, folder: str) -> None:
    with post_office(url, Path(folder)) as office:
        for number in range(10):
            address = EmailAddress.parse(f"u{number}@example.test").canonical
            office.directory.entries[address] = DirectoryEntry(MailboxId(f"m{number}"))
        worker = office.worker(
            queue=Announced(office.queue, "lease", "done"),
            book=Announced(office.book, "enter"),
            appender=Announced(office.lane, "submit"),
            lease_s=1.0,
            leased_at_once=16,
        )
        hints = QueueHints(url, "w")
        while True:
            if not worker.run_due():
                hints.wait(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
