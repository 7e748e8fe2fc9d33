"""`ledgermail migrate`: the database's tables as this version wants them."""

import os
from contextlib import ExitStack

import psycopg
import typer

from infra.data_folder import make_data_folder
from infra.embedded_postgres import EmbeddedPostgres
from infra.migrations import DatabaseTooNewError
from infra.migrations import migrate as apply_migrations
from infra.operator_errors import OperatorError
from infra.settings import load


def migrate() -> None:
    """Bring the database up to this version and print the migrations applied. Every start does it, too.

    Migrations only add: processes of the version before go on meanwhile.
    """
    settings = load(os.environ)
    with ExitStack() as closing:
        url = settings.database_url
        if url is None:
            make_data_folder(settings)
            postgres = EmbeddedPostgres(settings.data)
            closing.callback(postgres.stop)
            url = postgres.start()
        try:
            applied = apply_migrations(url)
        except (psycopg.OperationalError, DatabaseTooNewError) as error:
            raise OperatorError(str(error)) from error
    for name in applied:
        typer.echo(name)
    typer.echo(f"{len(applied)} migrations applied" if applied else "the database is up to date")
