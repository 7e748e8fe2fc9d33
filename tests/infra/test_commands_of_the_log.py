"""The commands as an operator types them: import, replay, export, verify, rebuild, backup, migrate."""

from pathlib import Path

import msgspec
import psycopg
import pytest

from infra.command_line import COMMANDS, run
from infra.composition import Parts
from infra.settings import load


class Typed:
    """Types command lines and reads what they print."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str | Path, expect: int = 0) -> str:
        self._capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            run([str(argument) for argument in arguments], commands=COMMANDS)
        printed = self._capsys.readouterr()
        assert (ended.value.code or 0) == expect, printed
        return printed.out if expect == 0 else printed.out + printed.err


@pytest.fixture
def typed(
    database_url: str, data_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Typed:
    environment = {"LEDGERMAIL_DATA": str(data_folder), "LEDGERMAIL_DATABASE_URL": database_url}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with Parts(load(environment)) as parts:
        parts.registration.create("ann@example.test", None, display_name="Ann")
    return Typed(capsys)


def test_mail_goes_in_is_told_of_and_comes_out(typed: Typed, tmp_path: Path, database_url: str) -> None:
    inbox = tmp_path / "inbox.mbox"
    inbox.write_bytes(b"From a@x Thu Aug 22 15:05:07 2002\nFrom: Bob <bob@x.test>\nSubject: Hello\n\nhi\n")
    assert "1 imported, 0 already there, 0 failed" in typed("import", "ann@example.test", inbox, "--label", "Old")
    assert "0 imported, 1 already there, 0 failed" in typed("import", "ann@example.test", inbox, "--label", "Old")
    told = typed("replay", "ann@example.test", "--since", "1").splitlines()
    assert ["made the label Old" in told[0], 'imported "Hello" from bob@x.test into Old' in told[1]] == [True, True]
    (line,) = typed("replay", "ann@example.test", "--json", "--since", "2", "--until", "3").splitlines()
    event = msgspec.json.decode(line)
    assert (event["seq"], event["type"], event["who"]["client"]) == (3, "MessageDelivered", "ledgermail import")
    assert typed("replay", "ann@example.test", "--until", "2000-01-01T00:00:00Z") == ""
    assert "1 messages written" in typed("export", "ann@example.test", tmp_path / "out")
    (written,) = (tmp_path / "out" / "messages").iterdir()
    assert written.read_bytes() == b"From: Bob <bob@x.test>\r\nSubject: Hello\r\n\r\nhi\r\n"
    assert "0 chains broken" in typed("verify")
    for view in ("mailbox", "contacts", "spam", "search"):
        typed("rebuild", view)
    assert typed("rebuild", "all", "--verify").count(" 0 differences") == 4
    assert "up to date" in typed("migrate")
    assert "is not in it" in typed("backup", tmp_path / "backup")
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE stored_events SET recorded_at = recorded_at + 1 WHERE originator_version = 2")
        connection.execute("UPDATE messages SET size = 1")
    broken = typed("verify", "ann@example.test", expect=1)
    assert broken.startswith("ann@example.test (m")
    assert ": broken at 2: its hash" in broken
    assert "size" in typed("rebuild", "mailbox", "--verify", "--mailbox", "ann@example.test", expect=1)
    assert "the old rows stay" in typed("rebuild", "mailbox", expect=1)
    assert "the old rows stay" not in typed("rebuild", "mailbox", "--force", expect=1)
    assert " 0 differences" in typed("rebuild", "mailbox", "--verify")


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (("verify", "nobody@example.test"), 1, "there is no account 'nobody@example.test'"),
        (("replay", "ann@example.test", "--until", "yesterday"), 2, "--until 'yesterday'"),
        (("rebuild", "search", "--mailbox", "ann@example.test"), 1, "for all mailboxes together"),
        (("import", "ann@example.test", "/nonexistent"), 2, "does not exist"),
        (("import", "ann@example.test", "/dev/null"), 1, "it is empty"),
        (("restore-backup", "/tmp"), 1, "holds no finished backup"),
    ],
)
def test_what_cannot_be_done_is_said_without_a_traceback(
    typed: Typed, arguments: tuple[str, ...], exit_code: int, said: str
) -> None:
    printed = typed(*arguments, expect=exit_code)
    assert said in " ".join(printed.split())
    assert "Traceback" not in printed


@pytest.mark.parametrize("command", ["verify", "rebuild", "replay", "import", "export", "backup", "restore-backup"])
def test_the_help_of_every_command_explains_it(typed: Typed, command: str) -> None:
    assert len(typed(command, "--help")) > 400


def test_verify_reads_every_mail_and_names_what_was_altered_or_is_missing(
    typed: Typed, tmp_path: Path, data_folder: Path
) -> None:
    inbox = tmp_path / "inbox.mbox"
    mails = (b"From a@x Thu Aug 22 15:05:07 2002\nFrom: Bob <bob@x.test>\nSubject: %d\n\nhi\n\n" % n for n in range(3))
    inbox.write_bytes(b"".join(mails))
    typed("import", "ann@example.test", inbox)
    assert "0 mails are not what the log tells of" in typed("verify", "--blobs")
    first, second, _whole = sorted((data_folder / "blobs" / "emails").rglob("*.eml"))
    first.chmod(0o600)
    first.write_bytes(first.read_bytes().replace(b"hi", b"ho"))
    second.unlink()
    assert "mails" not in typed("verify")
    printed = typed("verify", "--blobs", "ann@example.test", expect=1)
    assert "2 mails are not what the log tells of" in printed
    for path in (first, second):
        assert path.name in printed


def test_an_erased_mailbox_is_under_way_for_verify_and_gives_nothing_to_an_export(typed: Typed, tmp_path: Path) -> None:
    inbox = tmp_path / "inbox.mbox"
    inbox.write_bytes(b"From a@x Thu Aug 22 15:05:07 2002\nFrom: Bob <bob@x.test>\nSubject: Hello\n\nhi\n")
    typed("import", "ann@example.test", inbox)
    typed("account", "close", "ann@example.test", "--erase", "--yes")
    said = "its erasure is under way"
    assert said in typed("verify", "ann@example.test", "--blobs")
    assert typed("rebuild", "all", "--verify", "--mailbox", "ann@example.test").count(said) == 4
    assert "was erased" in typed("export", "ann@example.test", tmp_path / "out", expect=1)
    assert not (tmp_path / "out").exists()
