"""`ledgermail restore-backup`: a data folder out of a backup."""

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import psycopg
import typer

from infra.command_line.opened import require_in_data_folder
from infra.command_line.progress import progress
from infra.embedded_postgres import EmbeddedPostgres
from infra.operator_errors import OperatorError
from infra.restoring import Target
from infra.restoring import restore_backup as restore
from infra.settings import load


def restore_backup(
    folder: Annotated[Path, typer.Argument(help="The backup's folder.", exists=True, file_okay=False)],
    tombstones: Annotated[
        list[Path] | None,
        typer.Option(
            "--tombstones",
            metavar="KEYS",
            help="`keys` folder of the installation that is replaced: who was erased there since stays erased.",
            exists=True,
            file_okay=False,
        ),
    ] = None,
) -> None:
    """Restore a backup into an empty data folder (LEDGERMAIL_DATA), or one that holds only its `keys`.

    Every file is verified first. The master key must lie where LEDGERMAIL_MASTER_KEY_FILE says, unless the backup holds
    it. With LEDGERMAIL_DATABASE_URL the database there must be empty. All labels get a new UIDVALIDITY, so that mail
    programs read them anew. Interrupted, call again to go on.
    """
    settings = load(os.environ)
    require_in_data_folder(settings)
    target = Target(data=settings.data, master_key_file=settings.master_key_file, tombstones=tuple(tombstones or ()))
    with ExitStack() as closing, progress("restore") as told:

        def start_database() -> str:
            if settings.database_url is not None:
                return settings.database_url
            postgres = EmbeddedPostgres(settings.data)
            closing.callback(postgres.stop)
            return postgres.start()

        try:
            restored = restore(
                folder.absolute(),
                target,
                start_database=start_database,
                progress=lambda _what, done, total: told(done, total),
            )
        except psycopg.OperationalError as error:
            raise OperatorError(f"the database does not answer: {error}; call again to go on") from error
        except OSError as error:
            raise OperatorError(f"{error.filename or 'a file'}: {error.strerror}; call again to go on") from error
    typer.echo(f"{settings.data}: {restored.files} files and {restored.mailboxes} mailboxes restored")
    if restored.erased:
        typer.echo(f"{restored.erased} mailboxes whose keys are destroyed stay redacted")
