"""All checks of one message side by side, what they come to, and what is done about it."""

import asyncio
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from gateways.authentication import arc as arc_check
from gateways.authentication import dkim as dkim_check
from gateways.authentication import dmarc as dmarc_check
from gateways.authentication import results_field
from gateways.authentication.arc import ArcResult
from gateways.authentication.authors import author_domains
from gateways.authentication.dkim import DkimResult
from gateways.authentication.dmarc import DmarcResult, Identifier
from gateways.authentication.dmarc_record import NONE, POLICIES
from gateways.authentication.dns import Resolver
from gateways.authentication.evidence import Evidence
from gateways.authentication.overrides import Trust, override_of
from gateways.authentication.spf import SpfQuery, SpfResult, check_host
from gateways.screening import Arrival, Screening, Signer

_DOUBT = {"none": 0, "pass": 1, "permerror": 2, "temperror": 3, "fail": 4}
"""Of several authors the one in most doubt counts."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What the three independent checks came to."""

    spf: SpfResult
    helo: SpfResult | None
    """What SPF says of the EHLO name beside the reverse-path (RFC 7208 section 2.3): recorded, and decides nothing."""
    dkim: list[DkimResult]
    arc: ArcResult

    @property
    def identifiers(self) -> list[Identifier]:
        """Whom they prove the message to come from, or not."""
        signed = [Identifier("dkim", one.domain, one.result) for one in self.dkim]
        return [*signed, Identifier("spf", self.spf.domain, self.spf.result)]

    @property
    def dkim_word(self) -> str:
        """One word for all signatures: the best of them."""
        results = [one.result for one in self.dkim]
        return next(
            (word for word in ("pass", "temperror", "policy", "fail") if word in results), (results or [NONE])[0]
        )


class Authenticator:
    """The port `gateways.screening.Screener`: asks the DNS whether a message is from whom it says."""

    def __init__(self, resolver: Resolver, trust: Trust) -> None:
        self._resolver = resolver
        self._trust = trust

    async def screen(self, arrival: Arrival, evidence: Evidence) -> Screening:
        """What SPF, DKIM, ARC and DMARC say, asked side by side, each within its own bounds: 28 s in all."""
        query = SpfQuery(arrival.peer, arrival.helo, arrival.reverse_path, arrival.hostname)
        authors = author_domains(evidence.header)
        async with asyncio.TaskGroup() as side_by_side:
            spf = side_by_side.create_task(self._spf(query))
            helo = side_by_side.create_task(self._helo(query))
            arc = side_by_side.create_task(arc_check.validate(self._resolver, evidence))
            walks = [side_by_side.create_task(dmarc_check.discover(self._resolver, author)) for author in authors]
            dkim = await dkim_check.verify(self._resolver, evidence)
        found = _Found(spf.result(), helo.result(), dkim, arc.result())
        dmarc = await self._dmarc([walk.result() for walk in walks], found)
        return self._screening(query, found, dmarc)

    async def _spf(self, query: SpfQuery) -> SpfResult:
        try:
            ipaddress.ip_address(query.client.partition("%")[0])
        except ValueError:  # a socket without an address
            return SpfResult("none", query.domain, "the other side has no address")
        return await check_host(self._resolver, query)

    async def _helo(self, query: SpfQuery) -> SpfResult | None:
        """Of an EHLO that is a name; where there is no reverse-path it is what is asked about anyway."""
        if not query.reverse_path or not query.has_helo_name:
            return None
        return await self._spf(query.of_helo)

    async def _dmarc(self, walks: "Sequence[dmarc_check.Walk | DmarcResult]", found: _Found) -> DmarcResult:
        if not walks:
            return DmarcResult("permerror", reason="From names no domain")
        if len(walks) == 1:
            return await self._of_author(walks[0], found)
        results = await asyncio.gather(*(self._of_author(walk, found) for walk in walks))
        return max(results, key=lambda one: (_DOUBT[one.result], POLICIES.index(one.policy)))

    async def _of_author(self, walk: "dmarc_check.Walk | DmarcResult", found: _Found) -> DmarcResult:
        if isinstance(walk, DmarcResult):
            return walk
        return await dmarc_check.evaluate(self._resolver, walk, found.identifiers)

    def _screening(self, query: SpfQuery, found: _Found, dmarc: DmarcResult) -> Screening:
        override = ""
        if dmarc.policy != NONE:
            override = override_of(self._trust, dmarc.author_domain, spf=found.spf, dkim=found.dkim, arc=found.arc)
        signatures = [results_field.of_dkim(one) for one in found.dkim] or ["dkim=none"]
        return Screening(
            spf=found.spf.result,
            dkim=found.dkim_word,
            dmarc=dmarc.result,
            arc=found.arc.result,
            results=(
                results_field.of_spf(query, found.spf),
                *([] if found.helo is None else [results_field.of_spf(query.of_helo, found.helo)]),
                *signatures,
                results_field.of_arc(found.arc),
                results_field.of_dmarc(dmarc, override=override),
            ),
            author_domain=dmarc.author_domain,
            spf_domain=found.spf.domain,
            signers=tuple(Signer(one.domain, one.selector, one.result) for one in found.dkim),
            policy_domain=dmarc.policy_domain,
            policy=dmarc.policy if dmarc.result == "fail" else "",
            disposition="" if override or dmarc.policy == NONE else dmarc.policy,
            proofs=dmarc.proofs,
            override=override,
        )
