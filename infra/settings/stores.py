"""Which servers hold what is stored."""

from dataclasses import dataclass

from infra import settings_readers as read
from infra.settings.variable import setting


@dataclass(frozen=True, kw_only=True)
class Stores:
    """Which servers hold the database, blobs, keys and search index."""

    database_url: str | None = setting(
        "DATABASE_URL",
        read.postgres_url,
        None,
        "URL of a Postgres of your own (15 or later).",
        unset="embedded Postgres",
    )
    blobs: str = setting(
        "BLOBS",
        read.one_of("file", "s3"),
        "file",
        "Where bodies and attachments lie: `file` (the data folder) or `s3`.",
    )
    keys: str = setting(
        "KEYS",
        read.one_of("file", "s3"),
        "file",
        "Where the mailboxes' wrapped keys lie: `file` (the data folder) or `s3` (a bucket of their own).",
    )
    search: str = setting(
        "SEARCH",
        read.one_of("tantivy", "opensearch"),
        "tantivy",
        "Where the search index lies: `tantivy` (the data folder) or `opensearch`.",
    )
