"""What `--help` says is enough to use the commands: each has a line of its own in the list, and the line is whole."""

import subprocess
import sys

import pytest

from infra.command_line import COMMANDS

GROUPS = ["account", "alias", "dkim", "dmarc", "dns", "quarantine", "queue", "relay", "suppression"]


def helped(*arguments: str) -> str:
    found = subprocess.run(
        [sys.executable, "-m", "infra.command_line", *arguments, "--help"], capture_output=True, text=True, check=True
    )
    return found.stdout


def commands_in(text: str) -> list[str]:
    return [line for line in text.partition("Commands:\n")[2].splitlines() if line.strip()]


def test_every_command_is_listed() -> None:
    assert {line.split()[0] for line in commands_in(helped())} == set(COMMANDS)


@pytest.mark.parametrize("group", GROUPS)
def test_no_line_of_a_list_of_commands_is_cut_off(group: str) -> None:
    lines = commands_in(helped(group))
    assert lines
    assert [line for line in lines if line.endswith("...")] == []
