"""docs/operations: what the alerts and the dashboard ask for is there to be asked for, and every alert is explained."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.http_house import House, Person, mail

OPERATIONS = Path(__file__).parents[3] / "docs" / "operations"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((OPERATIONS / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
DASHBOARD: dict[str, Any] = json.loads((OPERATIONS / "dashboard.json").read_text())
_METRIC = re.compile(r"\bledgermail_[a-z_]+\b")
_ANCHOR = re.compile(r"^## (.+)$", re.MULTILINE)


def queries() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [rule["expr"] for rule in RULES] + panels


def exposed(house: House) -> set[str]:
    """The names of all samples; of a counter that has counted nothing, too."""
    text = house.http.get("/metrics").text
    return set(re.findall(r"^(ledgermail_\w+)[ {]", text, re.MULTILINE))


def test_every_metric_that_is_asked_for_is_exposed(house: House, ann: Person) -> None:
    ann.bring(mail())
    ann.get("/v1/sync")
    found = exposed(house)  # nobody follows in this house: so something fails, and that is shown
    asked = {name for query in queries() for name in _METRIC.findall(query)}
    assert asked - found == set()


def test_every_alert_has_its_paragraph_in_the_runbook_and_no_paragraph_is_left_over() -> None:
    paragraphs = _ANCHOR.findall((OPERATIONS / "runbook.md").read_text())
    assert paragraphs == [rule["alert"] for rule in RULES]
    for rule in RULES:
        assert rule["annotations"]["runbook"] == f"runbook.md#{rule['alert'].lower()}"
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("page", "ticket")


def test_what_the_runbook_links_to_is_there() -> None:
    text = (OPERATIONS / "runbook.md").read_text()
    anchors = {title.lower() for title in _ANCHOR.findall(text)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        file, _, anchor = target.partition("#")
        assert not file or (OPERATIONS / file).exists()
        assert not anchor or anchor in anchors


def test_the_panels_of_the_dashboard_do_not_overlap() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


@pytest.mark.promtool
def test_promtool_takes_the_rules() -> None:
    checked = subprocess.run(
        ["promtool", "check", "rules", "--lint=all", "--lint-fatal", OPERATIONS / "alerts.yaml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
