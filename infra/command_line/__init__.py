"""The command `ledgermail`: its subcommands, each loaded only when it is called, so that `--help` answers at once.

To add one: write `infra/command_line/<name>.py` with a function whose parameters are typer's (its docstring is the
help), or with a `typer.Typer` where it has subcommands of its own, and add its line to `COMMANDS`. A name with a dash
takes an underscore in its module's name.

An error that the operator can mend is an `infra.operator_errors.OperatorError`: one line on standard error, and its
exit code. Ctrl-C exits with 130 and no traceback.
"""

import importlib
import importlib.metadata
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from infra.operator_errors import OperatorError


@dataclass(frozen=True, slots=True)
class Command:
    """Where a subcommand is (`module:name` of a function or a `typer.Typer`), and its line in `ledgermail --help`."""

    location: str
    help: str


COMMANDS: dict[str, Command] = {
    "serve": Command("infra.command_line.serve:serve", "Serve: HTTP, SMTP, delivery and all that follows."),
    "account": Command("infra.command_line.account:application", "Open, change and close accounts."),
    "suppression": Command(
        "infra.command_line.suppression:suppression", "Addresses that an account does not write to."
    ),
    "alias": Command("infra.command_line.alias:alias", "Further addresses of accounts, and who takes what is left."),
    "queue": Command("infra.command_line.queue:queue", "What waits for delivery, and the dead letters."),
    "quarantine": Command("infra.command_line.quarantine:quarantine", "Infected mail that was not delivered."),
    "relay": Command("infra.command_line.relay:relay", "Mail to other hosts: what waits, and what to do about it."),
    "dkim": Command("infra.command_line.dkim:dkim", "Keys that mail is signed with, and records to publish."),
    "dns": Command("infra.command_line.dns:dns", "Whether the DNS has what a domain is to publish."),
    "dmarc": Command("infra.command_line.dmarc:dmarc", "DMARC aggregate reports of others, in plain words."),
    "verify": Command("infra.command_line.verify:verify", "Check the chains of events."),
    "rebuild": Command("infra.command_line.rebuild:rebuild", "Make a view again from the log, or compare it."),
    "replay": Command("infra.command_line.replay:replay", "Print the events of a mailbox."),
    "import": Command("infra.command_line.import_mail:import_mail", "Bring mail along: mbox, Maildir, .eml."),
    "export": Command("infra.command_line.export:export", "Write a mailbox's mail into files."),
    "backup": Command("infra.command_line.backup:backup", "Back up database, blobs and keys."),
    "restore-backup": Command("infra.command_line.restore_backup:restore_backup", "Restore a backup."),
    "migrate": Command("infra.command_line.migrate:migrate", "Bring the database up to this version."),
    "demo": Command("infra.command_line.demo:demo", "Make two accounts with some hundred mails."),
}


def main() -> None:
    """Run what the process was called with, and exit."""
    run(sys.argv[1:], commands=COMMANDS)


def run(arguments: Sequence[str], *, commands: Mapping[str, Command]) -> None:
    """Run one command line, and exit.

    Raises:
        SystemExit: 0 when it is done, 2 for a wrong command line or setting, 1 for other errors, 130 after Ctrl-C.
    """
    try:
        application(arguments, commands=commands)(args=list(arguments), prog_name="ledgermail")
    except OperatorError as error:
        sys.stderr.write(f"ledgermail: {' '.join(str(error).split())}\n")
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def application(arguments: Sequence[str], *, commands: Mapping[str, Command]) -> typer.Typer:
    """All commands by name and help; only those that the arguments name are loaded, the others cannot be called."""
    whole = typer.Typer(
        add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
    )
    whole.callback()(_ledgermail)
    for name, command in commands.items():
        if name not in arguments:
            whole.command(name, help=command.help)(_not_loaded)
        else:
            _add(whole, name, command)
    return whole


def _add(whole: typer.Typer, name: str, command: Command) -> None:
    module, _colon, attribute = command.location.partition(":")
    loaded = getattr(importlib.import_module(module), attribute)
    if isinstance(loaded, typer.Typer):
        whole.add_typer(loaded, name=name, help=command.help, no_args_is_help=True)
    else:
        whole.command(name, short_help=command.help)(loaded)


def _ledgermail(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    """An event-sourced mailbox service: every change to a mailbox is an event in a gapless log.

    Settings come from the environment: docs/settings.md.
    """
    if version:
        typer.echo(importlib.metadata.version("ledgermail"))
        raise typer.Exit


def _not_loaded() -> None:
    raise AssertionError("a command that is called is among the arguments, and so loaded")
