"""The text of `docs/settings.md`."""

from infra.settings.variable import PREFIX, TEST_PREFIX, Variable
from infra.settings.whole import VARIABLES


def documentation() -> str:
    """The text of `docs/settings.md`."""
    rows = [f"| `{variable.name}` | {_default(variable)} | {variable.meaning} |" for variable in VARIABLES.values()]
    return "\n".join([_INTRODUCTION, "| variable | default | meaning |", "| --- | --- | --- |", *rows, ""])


def _default(variable: Variable) -> str:
    return variable.unset if variable.default is None else f"`{variable.default}`"


_INTRODUCTION = f"""\
# Settings

Settings come from the environment and are read once, at start. A setting that cannot be read, or a `{PREFIX}` variable
that is none of these, stops the start with one line that says which and why. An empty variable counts as unset.
Variables that begin with `{TEST_PREFIX}` belong to the test suite and are ignored. Numbers are whole; sizes are in
bytes. Internationalised domains may be written either way and are kept as A-labels (`xn--…`).

This file is written by `python -m infra.settings > docs/settings.md`.
"""
