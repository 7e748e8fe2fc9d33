"""DMARC: discovery by the tree walk, alignment, policies; asked of a real DNS on loopback."""

import asyncio
from collections.abc import Sequence

import pytest

from gateways.authentication.dmarc import DmarcResult, Identifier, discover, evaluate
from gateways.authentication.dmarc_record import DmarcRecord, is_dmarc, read_record
from infra.dns_resolver import DnsResolver
from tests.dns_zone import HANG, SERVFAIL, Records, Zone, serving


def dmarc(
    zone: Zone | dict[str, str | Records], author: str, identifiers: Sequence[Identifier] = (), *, tries_s: float = 10.0
) -> DmarcResult:
    """What DMARC says where `_dmarc.` of these names have these texts, and other names these records."""
    if isinstance(zone, dict):
        policies = {f"_dmarc.{name}": [("TXT", text)] for name, text in zone.items() if isinstance(text, str)}
        zone = Zone({**policies, **{name: records for name, records in zone.items() if not isinstance(records, str)}})

    async def ask(resolver: DnsResolver) -> DmarcResult:
        walk = await discover(resolver, author)
        return walk if isinstance(walk, DmarcResult) else await evaluate(resolver, walk, identifiers)

    with serving(zone) as server:
        return asyncio.run(ask(DnsResolver(server, tries_s=(tries_s,))))


def passed(method: str, domain: str) -> list[Identifier]:
    return [Identifier(method, domain, "pass")]


def test_without_a_record_there_is_no_policy() -> None:
    assert dmarc({}, "bank.test").result == "none"


def test_unproven_mail_fails_with_what_the_domain_asks_for() -> None:
    found = dmarc({"bank.test": "v=DMARC1; p=reject"}, "bank.test", passed("spf", "evil.test"))
    assert (found.result, found.policy, found.policy_domain) == ("fail", "reject", "bank.test")


@pytest.mark.parametrize("method", ["spf", "dkim"])
def test_mail_that_either_method_proves_passes(method: str) -> None:
    found = dmarc({"bank.test": "v=DMARC1; p=reject"}, "bank.test", passed(method, "bank.test"))
    assert (found.result, found.policy, found.aligned) == ("pass", "none", method)


@pytest.mark.parametrize(
    ("record", "method", "result"),
    [
        ("v=DMARC1; p=reject", "dkim", "pass"),
        ("v=DMARC1; p=reject; adkim=s", "dkim", "fail"),
        ("v=DMARC1; p=reject; aspf=s", "dkim", "pass"),
        ("v=DMARC1; p=reject; aspf=s", "spf", "fail"),
        ("v=DMARC1; p=reject; adkim=r; aspf=r", "spf", "pass"),
    ],
)
def test_a_domain_of_the_same_organization_is_aligned_unless_strictness_is_asked_for(
    record: str, method: str, result: str
) -> None:
    assert dmarc({"bank.test": record}, "bank.test", passed(method, "mail.bank.test")).result == result
    assert dmarc({"bank.test": record}, "news.bank.test", passed(method, "mail.bank.test")).result == result


def test_a_domain_that_only_ends_alike_is_another_organization() -> None:
    assert dmarc({"bank.test": "v=DMARC1; p=reject"}, "bank.test", passed("dkim", "evilbank.test")).result == "fail"


def test_subdomains_go_by_sp_and_those_that_are_not_there_by_np() -> None:
    names: dict[str, str | Records] = {
        "bank.test": "v=DMARC1; p=none; sp=quarantine; np=reject",
        "news.bank.test": [("A", "192.0.2.1")],
    }
    assert dmarc(names, "bank.test").policy == "none"
    assert dmarc(names, "news.bank.test").policy == "quarantine"
    assert dmarc(names, "invented.bank.test").policy == "reject"


def test_a_subdomain_s_own_record_goes_before_its_organization_s() -> None:
    names: dict[str, str | Records] = {"bank.test": "v=DMARC1; p=reject", "news.bank.test": "v=DMARC1; p=none"}
    assert dmarc(names, "news.bank.test").policy == "none"
    assert dmarc(names, "news.bank.test", passed("spf", "bank.test")).result == "pass"


def test_an_organization_begins_where_psd_n_says_so() -> None:
    names: dict[str, str | Records] = {
        "host.test": "v=DMARC1; p=none",
        "shop.host.test": "v=DMARC1; p=reject; psd=n",
    }
    assert dmarc(names, "shop.host.test", passed("dkim", "other.host.test")).result == "fail"
    assert dmarc(names, "mail.shop.host.test", passed("dkim", "shop.host.test")).result == "pass"


def test_below_a_public_suffix_every_name_is_an_organization_of_its_own() -> None:
    names: dict[str, str | Records] = {"co.test": "v=DMARC1; p=reject; psd=y"}
    assert dmarc(names, "bank.co.test", passed("dkim", "evil.co.test")).result == "fail"
    assert dmarc(names, "mail.bank.co.test", passed("dkim", "bank.co.test")).result == "pass"
    assert dmarc(names, "bank.co.test").policy_domain == "co.test"


def test_a_top_level_domain_makes_no_organization_of_all_below_it() -> None:
    names: dict[str, str | Records] = {"test": "v=DMARC1; p=none", "bank.test": "v=DMARC1; p=reject"}
    assert dmarc(names, "bank.test", passed("dkim", "evil.test")).result == "fail"


def test_a_name_of_very_many_labels_costs_eight_questions() -> None:
    zone = Zone()
    dmarc(zone, ".".join("abcdefghijklmnop") + ".test")
    assert [name for name, _ in zone.asked] == [
        "_dmarc.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.test",
        *("_dmarc." + ".".join(["k", "l", "m", "n", "o", "p", "test"][at:]) for at in range(7)),
    ]


def test_several_records_at_one_name_are_none() -> None:
    zone = Zone({"_dmarc.bank.test": [("TXT", "v=DMARC1; p=reject"), ("TXT", "v=DMARC1; p=none")]})
    assert dmarc(zone, "bank.test").result == "none"


def test_another_text_beside_the_record_is_passed_over() -> None:
    zone = Zone({"_dmarc.bank.test": [("TXT", "v=spf1 -all"), ("TXT", "v=DMARC1; p=reject")]})
    assert dmarc(zone, "bank.test").policy == "reject"


@pytest.mark.parametrize(
    ("record", "policy"),
    [
        ("v=DMARC1; p=reject; t=y", "quarantine"),
        ("v=DMARC1; p=quarantine; t=y", "none"),
        ("v=DMARC1; p=reject; t=n", "reject"),
        ("v=DMARC1; p=reject; pct=20", "quarantine"),
        ("v=DMARC1; p=reject; pct=100", "reject"),
        ("v=DMARC1; p=reject; pct=20; t=n", "reject"),
        ("v=DMARC1; p=REJECT; rf=afrf; ri=86400; fo=1; ruf=mailto:a@b.test", "reject"),
    ],
)
def test_a_policy_being_tried_out_is_applied_one_step_milder(record: str, policy: str) -> None:
    assert dmarc({"bank.test": record}, "bank.test").policy == policy


@pytest.mark.parametrize(
    ("text", "record"),
    [
        ("v=DMARC1", DmarcRecord("none", "none", "none")),
        ("v=DMARC1; p=nonsense; rua=mailto:a@b.test", DmarcRecord("none", "none", "none")),
        ("v=DMARC1; p=nonsense", None),
        ("v=DMARC1; p=none; p=reject", None),
        ("v=DMARC1; p", None),
        ("v = DMARC1 ; p = reject ; sp = odd", DmarcRecord("reject", "reject", "reject")),
    ],
)
def test_what_a_record_leaves_out_or_garbles(text: str, record: DmarcRecord | None) -> None:
    assert is_dmarc(text.encode())
    assert read_record(text.encode()) == record


@pytest.mark.parametrize("text", ["v=DMARC2; p=reject", "p=reject; v=DMARC1", "v=dmarc1; p=none", ""])
def test_what_is_no_record(text: str) -> None:
    assert not is_dmarc(text.encode())


@pytest.mark.parametrize("behaviour", [SERVFAIL, HANG])
def test_a_policy_that_cannot_be_asked_for_now_is_a_temporary_error(behaviour: str) -> None:
    zone = Zone({"_dmarc.bank.test": [(behaviour, None)]})
    assert dmarc(zone, "bank.test", tries_s=0.1).result == "temperror"


def test_only_a_method_that_could_have_proven_it_makes_a_result_unsure() -> None:
    names: dict[str, str | Records] = {"bank.test": "v=DMARC1; p=reject"}
    assert dmarc(names, "bank.test", [Identifier("spf", "evil.test", "temperror")]).result == "fail"
    assert dmarc(names, "bank.test", [Identifier("dkim", "mail.bank.test", "temperror")]).result == "temperror"
