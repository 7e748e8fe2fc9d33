"""How a connection notices that the other side is gone: a silent partition would keep it, and its locks, for hours."""

from typing import Any

LIVELY: dict[str, Any] = {
    "connect_timeout": 10,
    "keepalives": 1,
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""Parameters of libpq for every connection; on a Unix socket they have no effect."""
