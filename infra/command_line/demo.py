"""`ledgermail demo`: something to look at."""

import sys
from typing import Annotated

import typer

from infra.command_line.opened import opened_parts
from infra.demo import DemoAccount, make_demo


def demo(
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read one password for both from standard input.")
    ] = False,
) -> None:
    """Make the accounts alice and bob at the first domain, with some hundred generated mails.

    Conversations in many languages, attachments, labels, newsletters, spam, a draft. Called again, it adds what is
    missing and nothing else; accounts that are there keep their passwords.
    """
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else None
    with opened_parts() as parts:
        accounts = make_demo(parts, say=lambda line: typer.echo(line, err=True), password=password)
    for account in (accounts.alice, accounts.bob):
        typer.echo(_shown(account))


def _shown(account: DemoAccount) -> str:
    return f"{account.address}  {account.password or '(password as it was)'}"
