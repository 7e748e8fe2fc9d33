"""The ARC validation suite of valimail, its keys asked of a real DNS on loopback."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateways.authentication.arc import validate
from infra.dns_resolver import DnsResolver
from tests.dns_zone import Zone, serving
from tests.gateways.authentication.given_message import as_lines, evidence_of

pytestmark = pytest.mark.corpus

SUITE = Path(__file__).resolve().parents[4] / "shared/corpus/auth/arc-valimail/tests/arc-draft-validation-tests.yml"
LEFT_OPEN = "fail"
"""What three tests expect whose `cv` is empty: chains of which a seal says cv=fail, which the suite (of a draft) let be
neither. RFC 8617 section 5.2, step 2 has since decided that they fail."""


def scenarios() -> list[dict[str, Any]]:
    return list(filter(None, yaml.load_all(SUITE.read_text(), Loader=yaml.CSafeLoader))) if SUITE.exists() else []


def cases() -> list[Any]:
    return [
        pytest.param(scenario["txt-records"], case, id=f"{scenario['description']}: {name}")
        for scenario in scenarios()
        for name, case in scenario["tests"].items()
    ]


@pytest.mark.parametrize(("records", "case"), cases())
def test_the_chain_comes_to_what_the_suite_says(records: dict[str, str], case: dict[str, Any]) -> None:
    zone = Zone({name: [("TXT", text)] for name, text in (records or {}).items()})
    with serving(zone) as server:
        found = asyncio.run(validate(DnsResolver(server), evidence_of(as_lines(case["message"].encode()))))
    assert found.result == (case["cv"] or LEFT_OPEN).lower(), (found.reason, case["description"])


def test_the_suite_is_there_whole() -> None:
    assert len(cases()) == 171
