"""What is counted of each message that was held against a policy, delivered or refused."""

import re
from typing import Protocol

from gateways.authentication.evidence import Evidence
from gateways.dmarc_reports.report import Proof, Row
from gateways.screening import Arrival, Screener, Screening

MAX_PROOFS = 10
_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9._-]{0,252}[a-z0-9])?", re.ASCII)


class Tally(Protocol):
    """Where they are counted. Never blocks and never fails."""

    def count(self, domain: str, row: Row) -> None:
        """One more message like this, under the policy of this domain."""
        ...


class CountedScreener:
    """The port `Screener`, whose findings are counted where a policy was found."""

    def __init__(self, screener: Screener, tally: Tally) -> None:
        self._screener = screener
        self._tally = tally

    async def screen(self, arrival: Arrival, evidence: Evidence) -> Screening:
        """See `Screener.screen`."""
        found = await self._screener.screen(arrival, evidence)
        if found.dmarc in ("pass", "fail") and _DOMAIN.fullmatch(found.policy_domain):
            self._tally.count(found.policy_domain, row_of(arrival, found))
        return found


def row_of(arrival: Arrival, found: Screening) -> Row:
    """The facts of one message, as its row of a report tells them (RFC 9990 section 3.1.1)."""
    signers = found.signers[:MAX_PROOFS]
    return Row(
        source_ip=arrival.peer,
        count=1,
        disposition="pass" if found.dmarc == "pass" else found.disposition or "none",
        dkim="pass" if "dkim" in found.proofs else "fail",
        spf="pass" if "spf" in found.proofs else "fail",
        reason=found.override,
        header_from=found.author_domain,
        envelope_from=arrival.reverse_path.rpartition("@")[2].lower(),
        proofs=(
            *(Proof("dkim", one.domain, one.result, one.selector) for one in signers),
            Proof("spf", found.spf_domain, found.spf, "mfrom" if arrival.reverse_path else "helo"),
        ),
    )
