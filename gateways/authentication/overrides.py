"""When a policy is not applied though the mail cannot be proven: a forwarder or a list is known to be honest."""

import re
from dataclasses import dataclass

from gateways.authentication.arc import ArcResult
from gateways.authentication.dkim import DkimResult
from gateways.authentication.spf import SpfResult

TRUSTED_FORWARDER, MAILING_LIST = "trusted_forwarder", "mailing_list"
_DMARC_PASS = re.compile(r"(?:^|;)\s*dmarc\s*=\s*pass\b([^;]*)", re.IGNORECASE)
_FROM = re.compile(r"\bheader\.from\s*=\s*\"?([^\s\";]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom the operator trusts: hosts that seal what they forward, and lists; each by its domain."""

    sealers: frozenset[str] = frozenset()
    lists: frozenset[str] = frozenset()


def override_of(trust: Trust, author_domain: str, *, spf: SpfResult, dkim: list[DkimResult], arc: ArcResult) -> str:
    """Why the policy of `author_domain` is not applied; empty where it is."""
    if arc.result == "pass" and _all_known(arc.sealers, trust.sealers) and _had_passed(arc, author_domain):
        return TRUSTED_FORWARDER
    proven = [one.domain for one in dkim if one.result == "pass"]
    if spf.result == "pass":
        proven.append(spf.domain)
    return MAILING_LIST if any(_is_known(domain, trust.lists) for domain in proven) else ""


def _all_known(domains: tuple[str, ...], known: frozenset[str]) -> bool:
    return all(_is_known(domain, known) for domain in domains)


def _is_known(domain: str, known: frozenset[str]) -> bool:
    """Whether it is one of these domains or lies below one."""
    labels = domain.lower().split(".")
    return any(".".join(labels[at:]) in known for at in range(len(labels)))


def _had_passed(arc: ArcResult, author_domain: str) -> bool:
    """Whether the first host of the chain found the author proven, and says of no other author that it was so."""
    found = _DMARC_PASS.search(arc.sets[0].results)
    if found is None:
        return False
    author = _FROM.search(found[1])
    return author is None or author[1].lower().removesuffix(".") == author_domain
