"""`ledgermail dmarc`: what others tell of mail that claims to come from our domains."""

import os
from pathlib import Path
from typing import Annotated

import typer

from gateways.dmarc_reports.reading import read_report
from gateways.dmarc_reports.report import Report
from gateways.dmarc_reports.unpacking import MAX_PACKED_BYTES, ReportUnreadableError, unpacked
from gateways.dmarc_reports.words import in_words
from infra.composition import Parts
from infra.dmarc_mailbox import reports_received
from infra.operator_errors import OperatorError
from infra.settings import load

dmarc = typer.Typer(help="DMARC aggregate reports of others, in plain words.", rich_markup_mode=None)


class ReportError(OperatorError):
    """What was given is no aggregate report, or nothing was given."""


@dmarc.callback()
def _dmarc() -> None:
    """DMARC aggregate reports of others, in plain words."""


@dmarc.command()
def show(
    files: Annotated[list[Path] | None, typer.Argument(help="Reports: .xml, .gz or .zip.")] = None,
    from_mailbox: Annotated[bool, typer.Option("--from-mailbox", help="Those in the operator's mailbox.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="Newest messages that are looked into.")] = 100,
) -> None:
    """Show who sends mail in a domain's name.

    What of it was proven, and what became of it.
    """
    if not files and not from_mailbox:
        raise ReportError("name a file, or say --from-mailbox")
    for path in files or ():
        _print(_read(path))
    if from_mailbox:
        with Parts(load(os.environ)) as parts:
            for report in reports_received(parts, limit=limit):
                _print(report)


def _read(path: Path) -> Report:
    try:
        with path.open("rb") as file:
            return read_report(unpacked(file.read(MAX_PACKED_BYTES + 1)))
    except ReportUnreadableError as error:
        raise ReportError(f"{path}: {error}") from None
    except OSError as error:
        raise ReportError(f"{path} cannot be read: {error.strerror}") from None


def _print(report: Report) -> None:
    for line in in_words(report):
        typer.echo(line)
