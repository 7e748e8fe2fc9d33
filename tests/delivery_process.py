"""A delivery worker in a process of its own, for tests that kill it: says a line for every batch.

Called with the database's URL and the data folder; the mailboxes are m0 … m9, of u0@example.test … u9@example.test.
"""

import sys
from pathlib import Path

from domain.addresses import EmailAddress
from domain.ids import MailboxId
from gateways.directory import DirectoryEntry
from infra.queue_hints import QueueHints
from tests.post_office import post_office


def main(url: str, folder: str) -> None:
    with post_office(url, Path(folder)) as office:
        for number in range(10):
            address = EmailAddress.parse(f"u{number}@example.test").canonical
            office.directory.entries[address] = DirectoryEntry(MailboxId(f"m{number}"))
        worker, hints = office.worker(lease_s=1.0, leased_at_once=16), QueueHints(url)
        while True:
            sys.stdout.write(f"{worker.run_due()}\n")
            sys.stdout.flush()
            hints.wait(0.05)


if __name__ == "__main__":
    main(*sys.argv[1:])
