"""Computes the results of docs/capacity.md from its own tables of inputs: python -m scripts.capacity_page [--write]

Without `--write` it exits with 1 where the page shows other results than these.
"""

import math
import re
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs" / "capacity.md"
BEGIN, END = "<!-- results -->", "<!-- end of results -->"
DAY_S = 86_400
_ROW = re.compile(r"^\| ([a-z_0-9]+) \| (.+) \|$", re.MULTILINE)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")

Inputs = dict[str, float]
Results = dict[str, tuple[float, str]]


def inputs(page: str) -> dict[str, Inputs]:
    """The inputs of each scenario: those that all share, and its own."""
    shared: Inputs = {}
    own: dict[str, Inputs] = {"A": {}, "B": {}}
    for name, rest in _ROW.findall(page.partition("## Formulas")[0]):
        cells = [cell.strip() for cell in rest.split("|")]
        if len(cells) == 4 and _NUMBER.fullmatch(cells[0]):
            own["A"][name], own["B"][name] = _number(cells[0]), _number(cells[1])
        elif len(cells) == 3 and _NUMBER.fullmatch(cells[0]):
            shared[name] = _number(cells[0])
    return {scenario: shared | values for scenario, values in own.items()}


def results(given: Inputs) -> Results:
    """Every result with its unit, by the formulas of the page."""
    work = _work(given)
    brokers = _brokers(given, work)
    objects = _objects(given, work)
    money = _money(given, work, brokers, objects)
    return work | brokers | objects | money


def _work(given: Inputs) -> Results:
    per_core = 1000 / given["cpu_s_per_1000_with_search"]
    per_machine = per_core * given["cores"] * given["utilisation"] * given["scaling"]
    kept = given["mails_per_day"] * given["kept_days"]
    database_tb = kept * given["database_kb_per_mail"] * given["copies"] / 1e9
    for_work = math.ceil(given["peak_per_s"] / per_machine)
    for_disk = math.ceil(database_tb / (given["machine_disk_tb"] * given["disk_fill"]))
    shards = max(for_work, for_disk)
    rebuild_s = kept * given["events_per_mail"] / shards
    rebuild_s /= given["rebuild_events_per_s"] * given["cores"] * given["scaling"]
    return {
        "mean_per_s": (given["mails_per_day"] / DAY_S, "mails/s"),
        "mails_per_core_s": (per_core, "mails/s"),
        "two_cores_s": (per_core * 2, "mails/s"),
        "mails_per_machine_s": (per_machine, "mails/s"),
        "machines_for_work": (for_work, "machines"),
        "kept_mails": (kept, "mails"),
        "database_pb": (database_tb / 1e3, "PB"),
        "machines_for_disk": (for_disk, "machines"),
        "shards": (shards, "machines"),
        "users_per_shard": (given["users"] / shards, "users"),
        "mails_per_shard_s": (given["peak_per_s"] / shards, "mails/s"),
        "rebuild_days": (rebuild_s / DAY_S, "days"),
    }


def _brokers(given: Inputs, work: Results) -> Results:
    events_kb = given["events_per_mail"] * given["event_kb"]
    mb_s = given["peak_per_s"] * (given["record_kb"] + events_kb) * given["broker_copies"] / 1e3
    disk_tb = work["mean_per_s"][0] * events_kb * given["event_days"] * DAY_S * given["broker_copies"] / 1e9
    needed = max(mb_s / given["broker_mb_per_s"], disk_tb / (given["broker_disk_tb"] * given["disk_fill"]))
    return {
        "broker_mb_s": (mb_s, "MB/s"),
        "broker_disk": (disk_tb, "TB"),
        "brokers": (max(3, math.ceil(needed)), "brokers"),
    }


def _objects(given: Inputs, work: Results) -> Results:
    stored = given["attachment_share"] * given["attachments_stored"]
    per_mail_kb = given["body_kb"] + stored * given["attachment_kb"]
    per_day_tb = given["mails_per_day"] * per_mail_kb / 1e9
    quota_tb = given["users"] * given["quota_gb"] / 1e3
    return {
        "object_kb_per_mail": (per_mail_kb, "KB"),
        "objects_tb_per_day": (per_day_tb, "TB/day"),
        "objects_pb": (min(per_day_tb * given["kept_days"], quota_tb) / 1e3, "PB"),
        "quota_eb": (quota_tb / 1e6, "EB"),
        "days_to_quota": (quota_tb / per_day_tb, "days"),
        "puts_per_s": (work["mean_per_s"][0] * (1 + stored), "puts/s"),
    }


def _money(given: Inputs, work: Results, brokers: Results, objects: Results) -> Results:
    days = given["kept_days"]
    fast = min(given["fast_days"], days) / days
    slow = min(given["slow_days"], days) / days - fast
    per_tb = fast * given["fast_usd_per_tb"] + slow * given["slow_usd_per_tb"]
    per_tb += (1 - fast - slow) * given["archive_usd_per_tb"]
    puts = objects["puts_per_s"][0] * DAY_S * 365 / 12
    spent = {
        "usd_machines": work["shards"][0] * given["machine_usd"],
        "usd_brokers": brokers["brokers"][0] * given["broker_usd"],
        "usd_objects": objects["objects_pb"][0] * 1e3 * per_tb,
        "usd_puts": puts / 1e6 * given["put_usd_per_million"],
    }
    whole = sum(spent.values())
    found: Results = {name: (value, "USD/month") for name, value in spent.items()}
    return found | {
        "usd_objects_at_quota": (objects["quota_eb"][0] * 1e6 * per_tb, "USD/month"),
        "usd_all": (whole, "USD/month"),
        "usd_per_user_year": (whole * 12 / given["users"], "USD"),
    }


def table(page: str) -> str:
    """The results of both scenarios as rows of the page."""
    found = {scenario: results(given) for scenario, given in inputs(page).items()}
    rows = [
        f"| {name} | {shown(value)} | {shown(found['B'][name][0])} | {unit} |"
        for name, (value, unit) in found["A"].items()
    ]
    return "\n".join(["| result | A | B | unit |", "| --- | --- | --- | --- |", *rows])


def shown(value: float) -> str:
    """Three digits that count: more would be a lie."""
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    return f"{rounded:,.{max(digits, 0)}f}"


def computed(page: str) -> str:
    """The page with its results computed anew."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table(page)}\n{END}{after}"


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def main(arguments: list[str]) -> int:
    """The exit code."""
    page = PAGE.read_text()
    if arguments == ["--write"]:
        PAGE.write_text(computed(page))
    elif computed(page) != page:
        sys.stderr.write("docs/capacity.md shows other results: python -m scripts.capacity_page --write\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
