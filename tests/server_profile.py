"""The server profile on the servers of `scripts/test --servers`, with a part of each that is a test's own."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
from psycopg import sql

from tests.conftest import with_database
from tests.kafka_servers import fresh_kafka, kafka_variables
from tests.servers import fresh_bucket, opensearch_server, setting


@contextmanager
def fresh_profile(*, partitions: int) -> Iterator[dict[str, str]]:
    """The settings that pick every server: database, topics, indices and buckets of one's own, gone afterwards."""
    with ExitStack() as closing:
        kafka = kafka_variables(partitions=partitions)
        closing.enter_context(fresh_kafka(kafka))
        blobs, keys = (closing.enter_context(fresh_bucket()) for _bucket in range(2))
        yield {
            **kafka,
            **closing.enter_context(_search()),
            "LEDGERMAIL_DATABASE_URL": closing.enter_context(_database()),
            "LEDGERMAIL_BLOBS": "s3",
            "LEDGERMAIL_KEYS": "s3",
            "LEDGERMAIL_S3_BUCKET": blobs.name,
            "LEDGERMAIL_S3_KEYS_BUCKET": keys.name,
            **{f"LEDGERMAIL_{n}": setting(n) for n in ("S3_ENDPOINT", "S3_REGION", "S3_ACCESS_KEY", "S3_SECRET_KEY")},
            "LEDGERMAIL_CACHE": "redis",
            "LEDGERMAIL_REDIS": setting("REDIS"),
        }


@contextmanager
def _database() -> Iterator[str]:
    server, name = setting("DATABASE_URL"), f"test_{secrets.token_hex(8)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        try:
            yield with_database(server, name)
        finally:
            connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@contextmanager
def _search() -> Iterator[dict[str, str]]:
    prefix = f"test-{secrets.token_hex(6)}"
    yield {
        "LEDGERMAIL_SEARCH": "opensearch",
        "LEDGERMAIL_OPENSEARCH": setting("OPENSEARCH"),
        "LEDGERMAIL_OPENSEARCH_PREFIX": prefix,
    }
    client = opensearch_server().client()
    client.transport.perform_request("DELETE", f"/{prefix}-*")
    client.transport.perform_request("DELETE", f"/_index_template/{prefix}-*")
    client.close()
