"""docs/capacity.md: its results are those of its own inputs, and the arithmetic is that of the page."""

import pytest

from scripts import capacity_page
from scripts.capacity_page import Inputs, computed, inputs, results, shown

PAGE = capacity_page.PAGE.read_text()


@pytest.fixture
def given() -> Inputs:
    return inputs(PAGE)["A"]


def test_the_page_shows_what_its_inputs_give() -> None:
    assert computed(PAGE) == PAGE, "python -m scripts.capacity_page --write"


def test_every_result_has_its_formula_and_every_input_is_used_or_is_a_check() -> None:
    formulas = PAGE.partition("## Formulas")[2].partition("## Results")[0]
    for name in results(inputs(PAGE)["A"]):
        assert f"| {name} |" in formulas or name.startswith("usd_"), name
    code = capacity_page.__file__
    with open(code) as source:
        text = source.read()
    checks = {"accepted", "delivered", "delivered_with_search", "cpu_s_per_1000", "measured_mail_kb"}
    for name in inputs(PAGE)["A"]:
        assert f'"{name}"' in text or name in checks, name


def test_the_scenarios_are_those_that_were_given() -> None:
    found = inputs(PAGE)
    a, b = found["A"], found["B"]
    assert round(a["mails_per_day"] / 86_400) == 115_741
    assert (a["users"], a["peak_per_s"]) == (1e9, 350_000)
    assert (b["users"], b["peak_per_s"], b["body_kb"]) == (1.5e9, 3_500_000, 75)
    assert results(b)["quota_eb"][0] == 22.5


def test_the_processor_time_and_the_rate_that_were_measured_agree(given: Inputs) -> None:
    assert results(given)["two_cores_s"][0] == pytest.approx(given["delivered_with_search"], rel=0.05)


def test_twice_the_mails_need_twice_the_machines_and_bytes(given: Inputs) -> None:
    one = results(given)
    two = results(given | {"mails_per_day": given["mails_per_day"] * 2, "peak_per_s": given["peak_per_s"] * 2})
    for name in ("shards", "database_pb", "objects_pb", "broker_disk", "usd_puts"):
        assert two[name][0] == pytest.approx(one[name][0] * 2, rel=0.001)


def test_a_year_of_the_first_scenario_by_hand(given: Inputs) -> None:
    found = results(given)
    assert found["database_pb"][0] == pytest.approx(1e10 * 365 * 17e3 * 2 / 1e15)
    assert found["objects_tb_per_day"][0] == pytest.approx(1e10 * (50e3 + 0.2 * 500e3 * 0.5) / 1e12)
    assert found["machines_for_work"][0] == 105  # 350,000 / (250 × 32 × 0.6 × 0.7)


def test_a_broker_cluster_has_at_least_three(given: Inputs) -> None:
    assert results(given | {"peak_per_s": 1, "mails_per_day": 10})["brokers"][0] == 3


def test_numbers_are_shown_with_three_digits() -> None:
    assert [shown(value) for value in (0, 0.117, 39.51, 118.2, 2961, 1_234_567)] == (
        ["0", "0.117", "39.5", "118", "2,960", "1,230,000"]
    )
