"""How to reach OpenSearch, where it holds the search index."""

from dataclasses import dataclass
from pathlib import Path

from infra import settings_readers as read
from infra.settings.variable import count, setting


@dataclass(frozen=True, kw_only=True)
class OpenSearch:
    """How to reach OpenSearch."""

    opensearch: tuple[str, ...] = setting(
        "OPENSEARCH", read.http_urls, None, "URL of OpenSearch, without a path; of several nodes, between commas."
    )
    opensearch_user: str | None = setting(
        "OPENSEARCH_USER", read.word, None, "Who we are to OpenSearch. Needs `LEDGERMAIL_OPENSEARCH_PASSWORD`."
    )
    opensearch_password: str | None = setting(
        "OPENSEARCH_PASSWORD", read.secret, None, "That user's password. Needs `LEDGERMAIL_OPENSEARCH_USER`."
    )
    opensearch_ca: Path | None = setting(
        "OPENSEARCH_CA",
        read.readable_file,
        None,
        "Whom OpenSearch's certificate must be signed by, PEM.",
        unset="the usual authorities",
    )
    opensearch_prefix: str = setting(
        "OPENSEARCH_PREFIX", read.index_prefix, "ledgermail", "What the names of our indices in OpenSearch begin with."
    )
    opensearch_shards: int = count(
        "OPENSEARCH_SHARDS",
        4,
        "Shards of an index made from now on, by `ledgermail rebuild search`, too.",
        most=1024,
    )
