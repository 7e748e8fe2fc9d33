"""The test suite of RFC 7208, and that of RFC 4408 before it, asked of a real DNS on loopback."""

import asyncio
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateways.authentication.spf import SpfQuery, check_host, explain
from infra.dns_resolver import DnsResolver
from tests.dns_zone import SERVFAIL, Zone, serving

pytestmark = pytest.mark.corpus

SUITES = Path(__file__).resolve().parents[4] / "shared" / "corpus" / "auth" / "spf-rfc7208"
DEFAULT_EXPLANATION = "DEFAULT"

KINDS = ("TXT", "A", "AAAA", "MX", "PTR")


@lru_cache
def scenarios(suite: str) -> list[dict[str, Any]]:
    path = SUITES / f"{suite}.yml"
    return list(filter(None, yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader))) if path.exists() else []


def zone_of(data: dict[str, list[Any]]) -> Zone:
    """What the suite's driver is to serve: a record of type SPF stands for a text where none is given beside it, and
    TIMEOUT for every kind of which there is no record."""
    zone = Zone()
    for name, entries in data.items():
        records = [pair for entry in entries if entry != "TIMEOUT" for pair in entry.items()]
        has_text = any(kind == "TXT" for kind, _ in records)
        served = [
            ("TXT" if kind == "SPF" else kind, tuple(value) if kind == "MX" else value)
            for kind, value in records
            if value != "NONE" and not (kind == "SPF" and has_text)
        ]
        if "TIMEOUT" in entries:
            served += [(SERVFAIL, kind) for kind in KINDS if kind not in dict(served)]
        zone.put(name, [(kind, None if value == "TIMEOUT" else value) for kind, value in served])
    return zone


def cases() -> Iterator[Any]:
    for suite in ("rfc7208-tests", "rfc4408-tests"):
        for scenario in scenarios(suite):
            for name, case in scenario["tests"].items():
                yield pytest.param(scenario["zonedata"], case, id=f"{suite[:7]} {scenario['description']}: {name}")


@pytest.mark.parametrize(("data", "case"), list(cases()))
def test_the_result_and_the_explanation_are_those_of_the_suite(
    data: dict[str, list[Any]], case: dict[str, Any]
) -> None:
    query = SpfQuery(client=case["host"], helo=case["helo"], reverse_path=case["mailfrom"])

    async def ask(resolver: DnsResolver) -> tuple[str, str | None]:
        found = await check_host(resolver, query)
        return found.result, await explain(resolver, query, found)

    with serving(zone_of(data)) as server:
        result, explanation = asyncio.run(ask(DnsResolver(server)))
    expected = [case["result"]] if isinstance(case["result"], str) else case["result"]
    assert result in expected
    if case.get("explanation", DEFAULT_EXPLANATION) != DEFAULT_EXPLANATION:
        assert explanation == case["explanation"]


def test_the_suites_are_there_whole() -> None:
    assert [sum(len(s["tests"]) for s in scenarios(suite)) for suite in ("rfc7208-tests", "rfc4408-tests")] == [
        203,
        191,
    ]
