"""How connections fared as to TLS, for the reports of RFC 8460: the port to where that is counted."""

from typing import NamedTuple, Protocol


class TlsOutcome(NamedTuple):
    """One session, or one that could not be had: under which kind of policy, and why not (empty for a success)."""

    domain: str
    policy: str
    result: str
    host: str


class TlsOutcomes(Protocol):
    """Counts them."""

    def count(self, outcome: TlsOutcome) -> None:
        """One more. Neither blocks nor fails; a crash may lose some."""
        ...
