"""The command line: fast help, one line for what an operator can mend, 130 for Ctrl-C."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.command_line import COMMANDS, Command, run

LEDGERMAIL = Path(sys.executable).with_name("ledgermail")

EXAMPLE = """
import signal
from pathlib import Path
import typer
from infra.settings import load
print("loaded")
nested = typer.Typer()

def greet(name: str, times: int = 1) -> None:
    '''Greet somebody, as often as you like.'''
    print(f"hello {name} " * times)

def serve() -> None:
    load({"LEDGERMAIL_RETENTION": "for ever"})

def wait() -> None:
    print("waiting", flush=True)
    signal.pause()

@nested.command("list")
def list_them() -> None:
    '''List them all.'''
    print("one two")

@nested.command()
def show(number: int) -> None:
    '''Show one.'''
"""
EXAMPLES = {
    "greet": Command("greetings:greet", "Greet somebody."),
    "serve": Command("greetings:serve", "Serve."),
    "queue": Command("greetings:nested", "The queue."),
    "wait": Command("greetings:wait", "Wait."),
}


@pytest.fixture(autouse=True)
def greetings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "greetings.py").write_text(EXAMPLE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "greetings", raising=False)


def exit_code(*arguments: str) -> int:
    with pytest.raises(SystemExit) as exited:
        run(arguments, commands=EXAMPLES)
    return int(exited.value.code or 0)


def test_help_names_every_command_and_loads_none(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("--help") == 0
    printed = capsys.readouterr().out
    assert "Greet somebody." in printed
    assert "The queue." in printed
    assert "loaded" not in printed


def test_a_command_runs_with_its_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("greet", "ann", "--times", "2") == 0
    assert "hello ann hello ann" in capsys.readouterr().out


def test_a_commands_help_is_its_docstring_and_its_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("greet", "--help") == 0
    printed = capsys.readouterr().out
    assert "Greet somebody, as often as you like." in printed
    assert "--times" in printed


def test_a_command_may_have_commands_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("queue", "list") == 0
    assert "one two" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments", [["gret"], ["greet"], ["greet", "ann", "--times", "often"], ["queue", "show", "x"]]
)
def test_a_wrong_command_line_exits_with_2_and_says_why(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*arguments) == 2
    assert "Error" in capsys.readouterr().err


def test_a_setting_that_cannot_be_read_prints_one_line_and_exits_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("serve") == 2
    assert capsys.readouterr().err == "ledgermail: LEDGERMAIL_RETENTION: must be a whole number from 0 to 36500\n"


def test_ctrl_c_exits_with_130_and_no_traceback(tmp_path: Path) -> None:
    program = "from infra.command_line import *; run(['wait'], commands={'wait': Command('greetings:wait', '')})"
    environ = os.environ | {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[2]}"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environ}
    with subprocess.Popen([sys.executable, "-c", program], **pipes) as process:
        assert process.stdout.readline() == "loaded\n"
        assert process.stdout.readline() == "waiting\n"
        process.send_signal(signal.SIGINT)
        _out, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error


def test_the_installed_command_answers_help_within_half_a_second_of_cpu() -> None:
    before = os.times()
    printed = subprocess.run([LEDGERMAIL, "--help"], capture_output=True, text=True, check=True).stdout
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    assert used < 0.5
    assert "Usage: ledgermail" in printed


def test_every_registered_command_can_be_loaded_and_helps(capsys: pytest.CaptureFixture[str]) -> None:
    for name in COMMANDS:
        with pytest.raises(SystemExit) as exited:
            run([name, "--help"], commands=COMMANDS)
        assert exited.value.code == 0, name
        assert f"Usage: ledgermail {name}" in capsys.readouterr().out
