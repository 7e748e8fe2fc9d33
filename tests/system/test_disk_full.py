"""The disk full at any moment: said so to whoever sends, nothing acknowledged lost, and all is well once there is room.

The data folder is a small tmpfs of its own, which only root can mount.
"""

import contextlib
import os
import random
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from tests.conftest import temporary_data_folder
from tests.system.http_crowd import Commander, Person
from tests.system.service import Service, installation, until
from tests.system.service_checks import (
    assert_each_command_is_there_once,
    assert_each_mail_is_there_once,
    assert_logs_hold,
    assert_search_finds,
    wait_until_settled,
)
from tests.system.smtp_crowd import Sender

SMALL_MB = 256
ROUNDS = 4
FULL = (452, "4.3.1")
UNAVAILABLE = (451, "4.3.0")


@contextlib.contextmanager
def small_disk(size_mb: int) -> Iterator[Path]:
    """A file system of its own, gone afterwards."""
    with temporary_data_folder() as folder:
        disk = folder / "disk"
        disk.mkdir(mode=0o711)
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=711", "tmpfs", disk], check=True)
        try:
            yield disk
        finally:
            subprocess.run(["umount", "--lazy", disk], check=True)


def can_mount() -> bool:
    if os.geteuid() != 0:
        return False
    try:
        with small_disk(1):
            return True
    except subprocess.CalledProcessError:
        return False


class Ballast:
    """A file that takes what room there is."""

    def __init__(self, disk: Path) -> None:
        self._path = disk / "ballast"
        self._disk = disk

    def fill(self, *, leaving_bytes: int) -> None:
        with self._path.open("ab", buffering=0) as file:
            for piece in (2**20, 2**16, 2**12):
                with contextlib.suppress(OSError):  # no room for a piece of this size
                    while self._free_bytes() >= leaving_bytes + piece:
                        os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), piece)

    def _free_bytes(self) -> int:
        status = os.statvfs(self._disk)
        return status.f_bavail * status.f_frsize

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)


def fill_and_make_room(service: Service, disk: Path, chance: random.Random, crowd: list[Sender | Commander]) -> None:
    """Full at some moment, until somebody was told so; then there is room again, and all go on by themselves."""
    ballast = Ballast(disk)
    refused = sum(len(one.refusals) for one in crowd)
    ballast.fill(leaving_bytes=chance.choice((0, 300_000, 3_000_000)))
    deadline = time.monotonic() + 40
    while sum(len(one.refusals) for one in crowd) < refused + 3 and time.monotonic() < deadline:
        ballast.fill(leaving_bytes=0)
        time.sleep(0.3)
    assert sum(len(one.refusals) for one in crowd) > refused, "nobody was told that the disk is full"
    ballast.remove()
    before = [taken(one) for one in crowd]
    until(lambda: all(taken(one) > was for one, was in zip(crowd, before, strict=True)), within_s=90, what="all go on")
    assert service.lives()


def fill_under_the_log(service: Service, disk: Path, crowd: list[Sender | Commander]) -> None:
    """Full when Postgres needs room for its own log: it ends in the middle of its work and cannot come back at once."""
    ballast = Ballast(disk)
    with service.parts() as parts, psycopg.connect(parts.conninfo, autocommit=True) as connection:
        ballast.fill(leaving_bytes=0)
        for _segment in range(100):
            with contextlib.suppress(psycopg.OperationalError):
                connection.execute("SELECT pg_switch_wal()")
                connection.execute("SELECT txid_current()")  # its commit cannot fail in peace
            if connection.broken:
                break
        assert connection.broken, "Postgres went on"
    refused = [len(one.refusals) for one in crowd]
    until(lambda: all(len(one.refusals) > was for one, was in zip(crowd, refused, strict=True)), within_s=60)
    ballast.remove()
    before = [taken(one) for one in crowd]
    until(lambda: all(taken(one) > was for one, was in zip(crowd, before, strict=True)), within_s=120, what="all go on")
    assert service.lives()


def taken(one: Sender | Commander) -> int:
    if one.failure is not None:
        raise one.failure
    return len(one.acknowledged if isinstance(one, Sender) else one.done)


def assert_whole(service: Service, ann: Person, bob: Person, senders: list[Sender], commander: Commander) -> None:
    for one in (*senders, commander):
        one.finish(60)
    wait_until_settled(service, within_s=120)
    assert_logs_hold(service)
    mails = assert_each_mail_is_there_once(ann, senders)
    assert mails == sum(len(sender.acknowledged) for sender in senders)
    assert_each_command_is_there_once(commander, bob)
    assert_search_finds(ann, [next(iter(sender.acknowledged)) for sender in senders])
    told = Counter((code, text.split()[0].decode()) for sender in senders for code, text in sender.refusals)
    said = Counter(commander.refusals)
    print(f"\n{mails} mails, {len(commander.done)} commands; by SMTP {dict(told)}, by HTTP {dict(said)}")
    assert told.keys() <= {FULL, UNAVAILABLE}
    assert told[FULL] > 0


@pytest.mark.skipif(not can_mount(), reason="only root may mount a small disk")
@pytest.mark.timeout(420)
def test_a_full_disk_is_told_loses_nothing_and_mends_itself() -> None:
    chance = random.Random(7)
    with small_disk(SMALL_MB) as disk, installation(disk / "data") as service:
        service.start()
        ann, bob = (Person(service.url, f"{name}@example.test") for name in ("ann", "bob"))
        sizes = random.Random(8)
        senders = [
            Sender(service.smtp, f"s{n}", [ann.address], size=lambda: sizes.choice((0, 2_000, 60_000))).start()
            for n in range(2)
        ]
        commander = Commander(ann, bob.address, "c").start()
        crowd: list[Sender | Commander] = [*senders, commander]
        until(lambda: all(taken(one) > 3 for one in crowd), within_s=60, what="all are at work")
        for _round in range(ROUNDS):
            fill_and_make_room(service, disk, chance, crowd)
            time.sleep(chance.random())
        fill_under_the_log(service, disk, crowd)
        assert_whole(service, ann, bob, senders, commander)
