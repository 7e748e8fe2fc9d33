"""`ledgermail migrate`: the database's tables as this version wants them, and the topics of Kafka, if it is used."""

import os
import sys
from contextlib import ExitStack

import psycopg
import typer

from infra.data_folder import make_data_folder
from infra.embedded_postgres import EmbeddedPostgres
from infra.migrations import DatabaseTooNewError
from infra.migrations import migrate as apply_migrations
from infra.operator_errors import OperatorError
from infra.settings import Settings, load


def migrate() -> None:
    """Bring the database up to this version, make missing topics, and print what was done. Every start does it, too.

    Migrations only add: processes of the version before go on meanwhile. Where the blobs lie in S3 it also sets the
    rules by which S3 moves old mails to cheaper storage.
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
    for name in [*applied, *_topics_made(settings)]:
        typer.echo(name)
    typer.echo(f"{len(applied)} migrations applied" if applied else "the database is up to date")
    if settings.blobs == "s3":
        _set_lifecycle(settings)


def _topics_made(settings: Settings) -> list[str]:
    """The topics of Kafka that were missing, where accepted mail goes by it."""
    if settings.queue != "kafka":
        return []
    from infra.kafka.cluster import KafkaUnavailableError
    from infra.kafka.parts import KafkaParts

    try:
        made = KafkaParts(settings).make_topics()
    except KafkaUnavailableError as error:
        raise OperatorError(str(error)) from error
    return [f"topic {name}" for name in made]


def _set_lifecycle(settings: Settings) -> None:
    from infra.s3_parts import S3Parts  # its client takes 0.2 s to import: only who uses it pays

    reason = S3Parts(settings).set_lifecycle()
    if reason is None:
        typer.echo("the lifecycle rules of the blobs' bucket are set")
    else:
        sys.stderr.write(
            f"ledgermail: this S3 server takes no lifecycle rules: {reason}; old mails stay where they are, unfinished"
            " uploads are taken away at each start\n"
        )
