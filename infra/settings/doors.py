"""Where everything lies and where the world comes in."""

from dataclasses import dataclass
from pathlib import Path

from infra import settings_readers as read
from infra.settings.variable import count, setting
from infra.settings_readers import ListenAddress


@dataclass(frozen=True, kw_only=True)
class Doors:
    """Where the data folder is, what is served, and where each door listens."""

    data: Path = setting(
        "DATA", read.path, "./var", "Folder of everything that is stored: database, blobs, keys, search."
    )
    domains: tuple[str, ...] = setting(
        "DOMAINS", read.domain_names, "example.test", "Domains whose mail is accepted, between commas."
    )
    http: ListenAddress = setting("HTTP", read.listen_address, "127.0.0.1:8080", "Where HTTP listens, HOST:PORT.")
    smtp: ListenAddress = setting("SMTP", read.listen_address, "127.0.0.1:2525", "Where SMTP listens, HOST:PORT.")
    lmtp: ListenAddress = setting("LMTP", read.listen_address, "127.0.0.1:2424", "Where LMTP listens, HOST:PORT.")
    submission: ListenAddress = setting(
        "SUBMISSION",
        read.listen_address,
        "127.0.0.1:2587",
        "Where people's own programs hand mail over, HOST:PORT; with STARTTLS where a certificate is set.",
    )
    submissions: ListenAddress = setting(
        "SUBMISSIONS",
        read.listen_address,
        "127.0.0.1:2465",
        "Where they do so by TLS from the first octet, HOST:PORT; only where a certificate is set.",
    )
    operations: ListenAddress | None = setting(
        "OPERATIONS",
        read.listen_address,
        None,
        "Where `/healthz`, `/readyz` and `/metrics` are answered beside processes that serve no HTTP, HOST:PORT.",
        unset="only by HTTP",
    )
    public_url: str | None = setting(
        "PUBLIC_URL",
        read.http_url,
        None,
        "URL (`https://…`) at which the world reaches HTTP, without a path: where bulk mail is unsubscribed from.",
        unset="no such links",
    )
    proxies: tuple[read.Network, ...] = setting(
        "PROXIES",
        read.networks,
        None,
        "Addresses and networks, between commas, of proxies that must tell whom they pass on (PROXY protocol 2).",
        unset="none",
    )
    drain_seconds: int = count(
        "DRAIN_SECONDS",
        0,
        "Seconds of a stop for which HTTP still takes connections and `/readyz` says `draining`, for a proxy to see.",
        least=0,
        most=60,
    )
