"""What the service tells of itself."""

from dataclasses import dataclass

from infra import settings_readers as read
from infra.settings.variable import setting


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What the service tells of itself, beside its metrics."""

    log: str = setting(
        "LOG", read.one_of("text", "json"), "text", "What is logged on standard error: lines of `text` or of `json`."
    )
    otlp: str | None = setting(
        "OTLP",
        read.http_url,
        None,
        "URL of a collector that takes traces by OTLP over HTTP; needs the extra `traces`.",
        unset="no traces",
    )
