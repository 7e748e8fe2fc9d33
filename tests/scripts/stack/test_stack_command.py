"""The command line of the stack, without starting anything."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def stack(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "scripts.stack_servers", *arguments],
        cwd=ROOT,
        env={"STACK_DATA": str(folder / "data"), "STACK_CACHE": str(folder / "cache"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def test_status_names_every_server_and_that_none_runs(tmp_path: Path) -> None:
    told = stack(tmp_path, "status")
    assert told.returncode == 1
    lines = told.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["postgres", "kafka", "opensearch", "s3", "redis", "clamav", "rspamd"]
    assert all(line.endswith("does not run") for line in lines)


def test_env_says_nothing_where_nothing_runs(tmp_path: Path) -> None:
    told = stack(tmp_path, "env", "s3", "redis")
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


def test_down_where_nothing_was_started_is_no_error(tmp_path: Path) -> None:
    assert stack(tmp_path, "down").returncode == 0


@pytest.mark.parametrize("arguments", [["up", "oracle"], ["restart"], []])
def test_what_is_not_known_is_refused_and_said(tmp_path: Path, arguments: list[str]) -> None:
    told = stack(tmp_path, *arguments)
    assert told.returncode == 2
    assert "postgres" in told.stderr or "up" in told.stderr
