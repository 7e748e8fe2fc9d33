"""Real reports of many systems: how many recipients are read as hard or soft as others have judged them.

The first set comes with an opinion on each recipient; the reader was made with one half of its files (those whose name
hashes to an even number) in view. The second comes with the recipients that its own tests expect of most files.
"""

import hashlib
from collections import defaultdict
from pathlib import Path

import pytest

from gateways.bounces.reading import read_report

pytestmark = pytest.mark.corpus

JUDGED = "dsn/sisimai-set-of-emails"
UNJUDGED = "dsn/flufl.bounce/tests/data"
LEAST_OF_ALL, LEAST_OF_THE_OTHER_HALF = 0.95, 0.92


def expectations(corpus: Path) -> dict[str, dict[int, str]]:
    """By file, of each recipient (from 1) hard or soft."""
    found: dict[str, dict[int, str]] = defaultdict(dict)
    for line in (corpus / JUDGED / "expected.tsv").read_text().splitlines():
        if not line.startswith("#"):
            name, number, *_, is_hard = line.split("\t")
            found[name][int(number)] = "hard" if is_hard == "true" else "soft"
    return found


def agreeing(corpus: Path, name: str, expected: dict[int, str]) -> int:
    told = read_report((corpus / JUDGED / name).read_bytes()).told
    return sum(number <= len(told) and told[number - 1].kind == kind for number, kind in expected.items())


def is_of_the_half_in_view(name: str) -> bool:
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def test_of_the_recipients_that_others_judged_ninety_five_in_a_hundred_agree(corpus: Path) -> None:
    expected = expectations(corpus)
    agreed = {name: agreeing(corpus, name, kinds) for name, kinds in expected.items()}
    assert sum(agreed.values()) / sum(map(len, expected.values())) >= LEAST_OF_ALL
    other = [name for name in expected if not is_of_the_half_in_view(name)]
    assert sum(agreed[name] for name in other) / sum(len(expected[name]) for name in other) >= LEAST_OF_THE_OTHER_HALF


def test_no_report_of_a_delivery_or_a_complaint_is_taken_for_a_bounce(corpus: Path) -> None:
    for path in (corpus / JUDGED).glob("arf-*.eml"):
        report = read_report(path.read_bytes())
        assert {told.action for told in report.told} <= {"complained"}, path.name
    for path in (corpus / JUDGED).glob("rfc3834-*.eml"):
        assert [told.action for told in read_report(path.read_bytes()).told] == ["replied"], path.name


def test_the_reports_without_an_opinion_are_read_without_error_and_nearly_all_name_somebody(corpus: Path) -> None:
    files = sorted((corpus / UNJUDGED).glob("*.txt"))
    named = [path.name for path in files if read_report(path.read_bytes()).told]
    assert len(files) - len(named) <= 4
