"""What was measured: figures, and the table and JSON that they are shown as."""

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table. `value` null: it could not be measured, and `note` says why.

    `ratio` compares with the peer (or, where `peer` names a smaller mailbox, with that); `met` is null where there is
    no goal.
    """

    row: str
    name: str
    value: float | None = None
    unit: str = ""
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    goal: str = ""
    met: bool | None = None
    note: str = ""


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the values do not exceed; nan of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def p50(values: Sequence[float]) -> float:
    """The median; nan of none."""
    return median(values) if values else math.nan


def p99(values: Sequence[float]) -> float:
    """The 99th percentile."""
    return percentile(values, 0.99)


def ms(seconds: float) -> float:
    """Milliseconds."""
    return seconds * 1000


def compared(
    row: str, name: str, value: float, unit: str, *, peer: str, peer_value: float, most: float | None = None,
    least: float | None = None, note: str = "",
) -> Figure:  # fmt: skip
    """A figure whose goal, if it has one, is on its ratio to the peer."""
    ratio = value / peer_value if peer_value else math.nan
    goal, met = _judged("ratio", ratio, most, least)
    return Figure(
        row=row, name=name, value=value, unit=unit, peer=peer, peer_value=peer_value, ratio=ratio, goal=goal, met=met,
        note=note,
    )  # fmt: skip


def absolute(
    row: str, name: str, value: float, unit: str, *, most: float | None = None, least: float | None = None,
    note: str = "",
) -> Figure:  # fmt: skip
    """A figure whose goal, if it has one, is on its value."""
    goal, met = _judged("", value, most, least)
    return Figure(row=row, name=name, value=value, unit=unit, goal=goal, met=met, note=note)


def _judged(what: str, value: float, most: float | None, least: float | None) -> tuple[str, bool | None]:
    if most is not None:
        return f"{what} ≤ {most:g}".strip(), value <= most
    if least is not None:
        return f"{what} ≥ {least:g}".strip(), value >= least
    return "", None


_HEAD = ("what", "value", "", "peer", "peer's", "ratio", "goal", "")
_RIGHT = {1, 4, 5}


def table(figures: Sequence[Figure]) -> str:
    """The figures as text, a block a row."""
    lines = [_cells(figure) for figure in figures]
    widths = [max(len(line[column]) for line in [_HEAD, *lines]) for column in range(len(_HEAD))]
    written = [_written(_HEAD, widths)]
    shown = ""
    for figure, line in zip(figures, lines, strict=True):
        if figure.row != shown:
            written += ["", figure.row]
            shown = figure.row
        written.append(_written(line, widths))
        if figure.note:
            written.append(f"    {figure.note}")
    return "\n".join(written)


def _cells(figure: Figure) -> tuple[str, ...]:
    verdict = {True: "met", False: "MISSED", None: ""}[figure.met]
    return (
        f"  {figure.name}",
        _number(figure.value),
        figure.unit,
        figure.peer,
        _number(figure.peer_value),
        _number(figure.ratio),
        figure.goal,
        verdict,
    )


def _written(cells: Sequence[str], widths: Sequence[int]) -> str:
    places = enumerate(zip(cells, widths, strict=True))
    return "  ".join(cell.rjust(width) if n in _RIGHT else cell.ljust(width) for n, (cell, width) in places).rstrip()


def _number(value: float | None) -> str:
    if value is None or math.isnan(value):
        return "-"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def write_json(path: Path, settings: dict[str, Any], figures: Sequence[Figure]) -> None:
    """Settings and figures as JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode({"settings": settings, "figures": list(figures)})) + b"\n")
