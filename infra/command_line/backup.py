"""`ledgermail backup`: database, blobs and keys into a folder."""

from pathlib import Path
from typing import Annotated

import typer

from infra.backing_up import Source, back_up
from infra.command_line.opened import opened_parts, require_in_data_folder
from infra.command_line.progress import progress


def backup(
    folder: Annotated[Path, typer.Argument(help="The backup's folder; made where it is missing.", file_okay=False)],
    with_master_key: Annotated[
        bool,
        typer.Option("--with-master-key", help="Put the master key in, too: whoever has the folder can read all mail."),
    ] = False,
) -> None:
    """Back up database, blobs and keys while the service runs.

    Into the same folder again only what is new is written; blobs are linked where folder and data share a file system.
    The mailboxes' keys are wrapped by the master key, which is not in the backup unless asked for: keep it elsewhere,
    without it nothing can be restored. Interrupted, the backup before stands; call again to go on.
    """
    with opened_parts() as parts, progress("backup") as told:
        require_in_data_folder(parts.settings)
        parts.keys.tombstones()  # the key store is there and can be used
        source = Source(
            conninfo=parts.conninfo,
            blobs=parts.settings.data / "blobs",
            keys=parts.settings.data / "keys",
            master_key_file=parts.settings.master_key_file if with_master_key else None,
        )
        done = back_up(source, folder.absolute(), told)
    typer.echo(f"{folder}: {done.files} files, {done.new_files} of them new ({done.new_bytes} bytes), and the database")
    if not with_master_key:
        typer.echo(f"the master key is not in it: keep a copy of {parts.settings.master_key_file} elsewhere")
