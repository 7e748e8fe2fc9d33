"""A real worker process under load, killed with SIGKILL again and again."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.post_office import MAIL, post_office

ROOT = Path(__file__).resolve().parents[3]
MAILS = 400
KILLS = 4


@contextmanager
def worker_process(url: str, folder: Path) -> Iterator[Iterator[str]]:
    """The lines of a worker process, killed at the end of the block."""
    command = [sys.executable, "-m", "tests.delivery_process", url, str(folder)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield iter(process.stdout)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_every_accepted_mail_is_there_exactly_once_however_often_workers_are_killed(
    database_url: str, data_folder: Path
) -> None:
    with post_office(database_url, data_folder) as office:
        for number in range(10):
            office.open_mailbox(f"m{number}", f"u{number}@example.test")

        def accept(number: int) -> None:
            to = (f"u{number % 10}@example.test", f"u{(number + 1) % 10}@example.test")
            office.accept((MAIL % b"%d" % number).replace(b"Hello", b"%d" % number), *to)

        interrupted = 0
        with ThreadPoolExecutor(4) as pool:
            accepting = [pool.submit(accept, number) for number in range(MAILS)]
            for kill in range(KILLS):
                with worker_process(database_url, data_folder) as lines:
                    for _ in range(1 + kill * 13):  # a batch says 35 lines: each time another step
                        next(lines)
                interrupted += office.rows("SELECT count(*) FROM queue_records WHERE leased_by IS NOT NULL")[0][0]
            for accepted in accepting:
                accepted.result()
        with worker_process(database_url, data_folder) as lines:
            for _ in lines:
                if office.rows("SELECT count(*) FROM queue_records") == [(0,)]:
                    break
        for number in range(10):
            subjects = sorted(int(message["subject"]) for message in office.inbox(f"m{number}"))
            expected = sorted(n for n in range(MAILS) if n % 10 == number or (n + 1) % 10 == number)
            assert subjects == expected
        assert office.rows("SELECT count(*) FROM dead_letters") == [(0,)]
        assert office.rows("SELECT count(*) FROM blob_references WHERE holder NOT LIKE 'mailbox:%%'") == [(0,)]
        assert interrupted > 0
