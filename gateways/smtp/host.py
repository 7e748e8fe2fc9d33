"""Who receives: what is the same for every conversation of one server."""

import enum
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateways.smtp.greylist import OFF
from gateways.smtp.limits import Limits


class Dialect(enum.Enum):
    """The two protocols of reception: between strangers, and from a mail server in front of us."""

    SMTP = "SMTP"
    LMTP = "LMTP"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """The receiving host. `new_acceptance_id` gives ids that no other acceptance ever has."""

    hostname: str
    new_acceptance_id: Callable[[], str]
    dialect: Dialect = Dialect.SMTP
    limits: Limits = field(default_factory=Limits)
    now_ms: Callable[[], int] = _now_ms
    is_screened: bool = False
    """Whether somebody looks at messages before they are accepted."""
    is_scanned: bool = False
    """Whether somebody looks for viruses in them."""
    asks_standing: bool = False
    """Whether somebody looks up the addresses of clients."""
    greylisting: str = OFF
    """Who is asked to come again: nobody, clients whose address has no name, or everybody new."""
