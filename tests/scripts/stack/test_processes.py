"""Who a process is, and that nobody else is ever ended in its place."""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.stack_servers.processes import Identity, end, identity, recorded, running, write_identity

STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"]) as process:
        yield process
        process.kill()


def who_is(process: subprocess.Popen[bytes]) -> Identity:
    found = identity(process.pid)
    assert found is not None
    return found


def test_a_process_is_itself_for_as_long_as_it_runs(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    who = who_is(sleeper)
    write_identity(tmp_path / "record", who)
    assert who_is(sleeper) == recorded(tmp_path / "record") == running(tmp_path / "record") == who
    sleeper.kill()
    sleeper.wait()
    assert identity(who.pid) != who
    assert running(tmp_path / "record") is None


def test_one_that_ended_and_was_not_reaped_does_not_run(sleeper: subprocess.Popen[bytes]) -> None:
    sleeper.kill()
    os.waitid(os.P_PID, sleeper.pid, os.WEXITED | os.WNOWAIT)
    assert identity(sleeper.pid) is None


def test_nothing_is_remembered_where_nothing_was_started(tmp_path: Path) -> None:
    assert recorded(tmp_path / "record") is None
    assert running(tmp_path / "record") is None


@pytest.mark.parametrize("change", [{"boot": "another"}, {"started": 1}])
def test_a_record_of_before_a_reboot_or_of_an_id_given_again_is_of_nobody(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, change: dict[str, str | int]
) -> None:
    stale = dataclasses.replace(who_is(sleeper), **change)  # type: ignore[arg-type]
    write_identity(tmp_path / "record", stale)
    assert running(tmp_path / "record") is None
    assert end(stale, ask_with=signal.SIGKILL, patience_s=20)
    assert sleeper.poll() is None


def test_ending_asks_first(sleeper: subprocess.Popen[bytes]) -> None:
    assert end(who_is(sleeper), ask_with=signal.SIGTERM, patience_s=20)
    assert sleeper.wait() == -signal.SIGTERM


def test_who_does_not_heed_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", STUBBORN], stdout=subprocess.PIPE) as stubborn:
        assert stubborn.stdout is not None
        stubborn.stdout.readline()
        assert end(who_is(stubborn), ask_with=signal.SIGTERM, patience_s=0.1)
        assert stubborn.wait() == -signal.SIGKILL


def test_ending_who_has_ended_is_safe(sleeper: subprocess.Popen[bytes]) -> None:
    who = who_is(sleeper)
    sleeper.kill()
    sleeper.wait()
    assert end(who, ask_with=signal.SIGTERM, patience_s=20)


def test_a_process_whose_first_thread_alone_has_ended_runs_until_the_others_have() -> None:
    leave = "import ctypes, threading, time; threading.Thread(target=time.sleep, args=(60,)).start()"
    leave += "; print(flush=True); ctypes.CDLL(None).pthread_exit(None)"
    with subprocess.Popen([sys.executable, "-c", leave], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while state(process.pid) != "Z":
            assert process.poll() is None
        who = identity(process.pid)
        assert who is not None
        assert end(who, ask_with=signal.SIGKILL, patience_s=30)
        assert identity(process.pid) is None


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
