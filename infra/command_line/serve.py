"""`ledgermail serve`."""

import os
import subprocess
import sys
import tempfile
from functools import partial
from typing import Annotated

import typer

from infra.data_folder import make_data_folder
from infra.logs import say
from infra.operator_errors import OperatorError
from infra.settings import Settings, load


def serve(
    only: Annotated[
        str,
        typer.Option(help="Roles between commas: http, smtp, lmtp, submission, delivery, sender, timers, follower."),
    ] = "",
    demo: Annotated[
        bool, typer.Option("--demo", help="On an empty data folder and loopback: make two demo accounts with mail.")
    ] = False,
) -> None:
    """Serve: every role in a few processes, or some of them. Ctrl-C or SIGTERM finishes what is under way and stops.

    Any number of these run side by side on one database.
    """
    from infra.serving.certificates import tls_context
    from infra.serving.role_names import processes
    from infra.serving.supervisor import Supervisor

    settings = load(os.environ)
    roles = [name.strip() for name in only.split(",") if name.strip()]
    try:
        groups = processes(roles, watched=settings.operations is not None)
    except ValueError as error:
        raise OperatorError(str(error)) from error
    tls_context(settings)  # refused here, before any process starts
    make_data_folder(settings)
    with_demo = demo and settings.http.is_loopback and _is_empty(settings)
    with tempfile.TemporaryDirectory(prefix="ledgermail-metrics-") as shared:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = shared  # where the processes put what each of them measures
        supervisor = Supervisor(
            groups,
            partial(say, settings.log),
            drain_s=settings.drain_seconds,
            has_certificate=settings.tls_cert is not None,
        )
        code = supervisor.run(lambda addresses: _tell(addresses, with_demo=with_demo))
    if code:
        raise typer.Exit(code)


def _is_empty(settings: Settings) -> bool:
    return not any(settings.data.iterdir())


def _tell(addresses: dict[str, str], *, with_demo: bool) -> None:
    names = {
        "http": "page and API",
        "smtp": "SMTP",
        "lmtp": "LMTP",
        "submission": "submission",
        "operations": "operations",
    }
    lines = ["ledgermail serves."]
    for role, name in names.items():
        if address := addresses.get(role):
            lines.append(f"  {name:<13} {'http://' if role == 'http' else ''}{address}{'/' if role == 'http' else ''}")
    if with_demo:
        typer.echo("\n".join(lines))
        typer.echo("Making two demo accounts with some hundred mails ...")
        command = [sys.executable, "-m", "infra.command_line", "demo"]
        subprocess.run(command, check=False, stdin=subprocess.DEVNULL)  # noqa: S603 - this very program
        lines = []
    if "http" in addresses:
        lines += [
            "Next, in another terminal:",
            "  .venv/bin/ledgermail account create you@example.test     # an account of your own",
            "  .venv/bin/ledgermail import you@example.test mail.mbox   # bring your mail along",
            "Ctrl-C stops.",
        ]
    typer.echo("\n".join(lines))
    sys.stdout.flush()
