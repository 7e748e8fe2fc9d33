"""What an aggregate report says (RFC 9990 section 3.1), whoever wrote it and in whichever version."""

import msgspec


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the domain published: none, quarantine or reject for itself, its subdomains, those that are not there."""

    domain: str
    policy: str = ""
    subdomains: str = ""
    missing: str = ""
    dkim_alignment: str = ""
    """`r` or `s`; empty where the report does not say."""
    spf_alignment: str = ""
    testing: str = ""


class Proof(msgspec.Struct, frozen=True):
    """One result of SPF (`label` is its scope) or DKIM (the selector), whether or not aligned."""

    method: str
    domain: str
    result: str
    label: str = ""


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Messages alike: how many, from which address, what became of them, and why.

    `dkim` and `spf` are pass or fail, and count aligned results alone.
    """

    source_ip: str
    count: int
    disposition: str
    dkim: str
    spf: str
    header_from: str
    envelope_from: str = ""
    reason: str = ""
    """Why less was done than the domain asks for (section 3.1.1.14)."""
    proofs: tuple[Proof, ...] = ()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """One report, of the time from `begin` to `end` (unix seconds)."""

    organization: str
    email: str
    report_id: str
    begin: int
    end: int
    policy: Policy
    rows: tuple[Row, ...] = ()
