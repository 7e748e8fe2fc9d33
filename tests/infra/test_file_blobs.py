"""The folder as blob store: the contract, and what only a disk can do to it."""

import errno
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateways.blobs import StorageFullError
from infra.file_blobs import FileBlobs
from infra.shared_flush import SharedFlush
from tests.contracts.blobs import NAME, BlobsContract

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def blobs(tmp_path: Path) -> FileBlobs:
    return FileBlobs(tmp_path / "blobs")


class TestFileBlobs(BlobsContract):
    """The contract of tests/contracts/blobs.py."""


def temporary_files(blobs_folder: Path) -> list[Path]:
    return list((blobs_folder / ".tmp").iterdir())


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace", "mkdir"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_at_any_step_keeps_nothing_and_the_old_object(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, code: int
) -> None:
    FileBlobs(tmp_path).put(NAME, b"old")
    blobs = FileBlobs(tmp_path)
    other = "emails/2026/12/01/a2.eml"
    real = getattr(os, call)

    def full(*args: object, **kwargs: object) -> object:
        if call == "open" and not args[1] & os.O_CREAT:  # type: ignore[operator]
            return real(*args, **kwargs)
        raise OSError(code, os.strerror(code))

    target = other if call == "mkdir" else NAME
    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StorageFullError):
            blobs.put(target, b"new" * 300_000)
    assert blobs.read(NAME) == b"old"
    assert list(blobs.names("")) == [NAME]
    assert temporary_files(tmp_path) == []
    blobs.put(target, b"new")
    assert blobs.read(target) == b"new"


def test_a_real_full_device_is_told_apart(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    spool = blobs.spool()
    spool.write(b"x" * 300_000)
    (held,) = [
        fd for fd in os.listdir("/proc/self/fd") if os.path.realpath(f"/proc/self/fd/{fd}").startswith(str(tmp_path))
    ]
    with open("/dev/full", "wb", buffering=0) as full:
        os.dup2(full.fileno(), int(held))
    with pytest.raises(StorageFullError):
        spool.write(b"x" * 300_000)
    assert temporary_files(tmp_path) == []


def test_another_error_of_the_disk_is_not_taken_for_a_full_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blobs = FileBlobs(tmp_path)

    def broken(descriptor: int) -> None:
        raise OSError(errno.EIO, "broken")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", broken)
        with pytest.raises(OSError, match="broken"):
            blobs.put(NAME, b"x")
    assert temporary_files(tmp_path) == []


def test_the_file_is_flushed_before_its_name_and_the_folders_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FileBlobs(tmp_path)
    steps: list[str] = []
    real_fsync, real_replace, real_mkdir = os.fsync, os.replace, os.mkdir

    def place(path: object) -> str:
        return os.path.relpath(os.path.realpath(str(path)), tmp_path)

    def fsync(descriptor: int) -> None:
        steps.append(f"flush {place(f'/proc/self/fd/{descriptor}')}".replace(f".tmp/{the_temporary()}", "TEMPORARY"))
        real_fsync(descriptor)

    def the_temporary() -> str:
        return next((path.name for path in temporary_files(tmp_path)), "none")

    def replace(source: object, target: object) -> None:
        steps.append(f"rename {place(target)}")
        real_replace(source, target)  # type: ignore[arg-type]

    def mkdir(path: object, mode: int = 0o777) -> None:
        steps.append(f"mkdir {place(path)}")
        real_mkdir(path, mode)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    monkeypatch.setattr(os, "mkdir", mkdir)
    blobs.put("emails/2026/a", b"x")
    assert steps == [
        "mkdir emails",
        "flush .",
        "mkdir emails/2026",
        "flush emails",
        "flush TEMPORARY",
        "rename emails/2026/a",
        "flush emails/2026",
    ]
    steps.clear()
    blobs.put("emails/2026/b", b"x")
    assert steps == ["flush TEMPORARY", "rename emails/2026/b", "flush emails/2026"]
    another_process = FileBlobs(tmp_path)
    steps.clear()
    assert another_process.exists("emails/2026/a")
    assert [step for step in steps if step.startswith("flush")] == ["flush .", "flush emails", "flush emails/2026"]


def test_of_objects_put_together_every_file_is_flushed_before_any_name_and_each_folder_once_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put_all({"emails/a/0": b"", "emails/b/0": b""})
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, os.replace

    def fsync(descriptor: int) -> None:
        real_fsync(descriptor)
        place = os.path.relpath(os.path.realpath(f"/proc/self/fd/{descriptor}"), tmp_path)
        steps.append("flushed a file" if place.startswith(".tmp/") else f"flushed {place}")

    def replace(source: str, target: str) -> None:
        steps.append(f"rename {os.path.relpath(target, tmp_path)}")
        real_replace(source, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(os, "replace", replace)
    blobs.put_all({"emails/a/1": b"1", "emails/b/2": b"2", "emails/a/3": b"3"})
    assert steps == [
        *["flushed a file"] * 3,
        *["rename emails/a/1", "rename emails/b/2", "rename emails/a/3"],
        *["flushed emails/a", "flushed emails/b"],
    ]
    assert temporary_files(tmp_path) == []


@pytest.mark.parametrize("call", ["open", "write", "fsync", "replace"])
def test_objects_put_together_leave_no_temporary_file_when_the_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put_all({NAME: b"old"})
    real = getattr(os, call)
    left = [3]

    def full(*args: object, **kwargs: object) -> object:
        left[0] -= 1
        if left[0] == 0:
            raise OSError(errno.ENOSPC, "full")
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, call, full)
        with pytest.raises(StorageFullError):
            blobs.put_all({f"emails/{number}": b"x" for number in range(4)})
    assert temporary_files(tmp_path) == []
    assert blobs.read(NAME) == b"old"


def test_a_folder_that_an_operator_removed_is_made_again(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path)
    blobs.put(NAME, b"x")
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).parent.rmdir()
    blobs.put(NAME, b"y")
    assert blobs.read(NAME) == b"y"
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).parent.rmdir()
    blobs.put_all({NAME: b"z"})
    assert blobs.read(NAME) == b"z"


def test_starting_removes_temporary_files_older_than_a_day_and_no_others(tmp_path: Path) -> None:
    FileBlobs(tmp_path)
    old, young = tmp_path / ".tmp" / "old", tmp_path / ".tmp" / "young"
    for path, age in ((old, 86_500), (young, 86_300)):
        path.write_bytes(b"x")
        os.utime(path, (time.time() - age,) * 2)
    FileBlobs(tmp_path)
    assert temporary_files(tmp_path) == [young]


def test_files_and_folders_are_closed_to_everyone_else(tmp_path: Path) -> None:
    blobs = FileBlobs(tmp_path / "blobs")
    blobs.put(NAME, b"x")
    for path in [tmp_path / "blobs", *(tmp_path / "blobs").rglob("*")]:
        assert path.stat().st_mode & 0o077 == 0


KILLED = """
import os, signal, sys
from pathlib import Path
from infra.file_blobs import FileBlobs
folder, at = Path(sys.argv[1]), int(sys.argv[2])
blobs = FileBlobs(folder)
left = [at]
def dying(real):
    def call(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return call
for name in ("open", "write", "fsync", "replace", "mkdir", "close"):
    setattr(os, name, dying(getattr(os, name)))
blobs.put(sys.argv[3], b"new" * 200_000)
os._exit(0)
"""


def put_killed_at_every_step(folder: Path, name: str) -> Iterator[FileBlobs]:
    for step in range(1, 40):
        ended = subprocess.run([sys.executable, "-c", KILLED, str(folder), str(step), name], cwd=ROOT, check=False)
        yield FileBlobs(folder)
        if ended.returncode == 0:
            assert step > 4
            return
        assert ended.returncode == -9
    raise AssertionError("the put never came to its end")


def test_putting_together_killed_at_any_step_leaves_each_object_whole_or_not_at_all(tmp_path: Path) -> None:
    objects = {f"emails/2026/{number}": b"%d" % number * 1_000 for number in range(3)}
    puts = f"blobs.put_all({objects!r})".replace("'", '"')
    killed = KILLED.replace('blobs.put(sys.argv[3], b"new" * 200_000)', puts)
    assert puts in killed
    for step in range(1, 60):
        ended = subprocess.run([sys.executable, "-c", killed, str(tmp_path), str(step)], cwd=ROOT, check=False)
        blobs = FileBlobs(tmp_path)
        found = {name: blobs.read(name) for name in blobs.names("")}
        assert found.items() <= objects.items()
        if ended.returncode == 0:
            assert found == objects
            assert step > 12
            return
        assert ended.returncode == -9
        for name in found:
            blobs.delete(name)
    raise AssertionError("the put never came to its end")


def test_a_replacement_killed_at_any_step_leaves_the_old_object_or_the_new(tmp_path: Path) -> None:
    FileBlobs(tmp_path).put(NAME, b"old")
    seen = []
    for blobs in put_killed_at_every_step(tmp_path, NAME):
        seen.append(blobs.read(NAME))
        assert list(blobs.names("")) == [NAME]
    assert set(seen) == {b"old", b"new" * 200_000}
    assert seen[0] == b"old"


def test_a_first_put_killed_at_any_step_leaves_nothing_or_the_whole(tmp_path: Path) -> None:
    seen = [[blobs.read(name) for name in blobs.names("")] for blobs in put_killed_at_every_step(tmp_path, NAME)]
    assert seen[0] == []
    assert seen[-1] == [b"new" * 200_000]
    assert all(content in ([], [b"new" * 200_000]) for content in seen)


def test_those_who_come_during_a_flush_share_the_next_one() -> None:
    entered, go, begun = threading.Event(), threading.Event(), []

    def flush() -> None:
        begun.append(len(begun))
        entered.set()
        assert go.wait(20)

    shared = SharedFlush(flush)
    first = threading.Thread(target=shared.wait)
    first.start()
    assert entered.wait(20)
    waiting = [threading.Thread(target=shared.wait) for _ in range(16)]
    for thread in waiting:
        thread.start()
    while len(shared._changed._waiters) < 16:  # type: ignore[attr-defined]
        os.sched_yield()
    go.set()
    for thread in [first, *waiting]:
        thread.join(20)
    assert begun == [0, 1]


def test_a_flush_that_fails_fails_all_who_relied_on_it_and_the_next_is_new() -> None:
    entered, go, outcomes = threading.Event(), threading.Event(), []
    errors: list[OSError | None] = [None, OSError(errno.EIO, "broken"), None]

    def flush() -> None:
        entered.set()
        assert go.wait(20)
        if error := errors.pop(0):
            raise error

    def wait() -> None:
        try:
            shared.wait()
            outcomes.append("durable")
        except OSError:
            outcomes.append("failed")

    shared = SharedFlush(flush)
    first = threading.Thread(target=wait)
    first.start()
    assert entered.wait(20)
    waiting = [threading.Thread(target=wait) for _ in range(4)]
    for thread in waiting:
        thread.start()
    while len(shared._changed._waiters) < 4:  # type: ignore[attr-defined]
        os.sched_yield()
    go.set()
    for thread in [first, *waiting]:
        thread.join(20)
    assert sorted(outcomes) == ["durable"] + ["failed"] * 4
    shared.wait()
    assert errors == []
