"""What a setting is: a field of a dataclass that knows its environment variable."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra import settings_readers as read
from infra.operator_errors import OperatorError

PREFIX = "LEDGERMAIL_"
TEST_PREFIX = "LEDGERMAIL_TEST_"
KIB, MIB, GIB = 2**10, 2**20, 2**30
LARGEST = 2**62


class SettingError(OperatorError):
    """A setting cannot be read; the text is one line that names the variable and the reason."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable: how its text is read, its default as text, what it means."""

    name: str
    read: Callable[[str], object]
    default: str | None
    meaning: str
    unset: str = "unset"


def setting(
    name: str, reader: Callable[[str], object], default: str | None, meaning: str, *, unset: str = "unset"
) -> Any:
    """A field read from `LEDGERMAIL_{name}`; what it holds is not shown where it may be a password."""
    variable = Variable(PREFIX + name, reader, default, meaning, unset)
    shown = reader not in (read.postgres_url, read.redis_url, read.secret)
    return dataclasses.field(repr=shown, metadata={"variable": variable})


def count(name: str, default: int, meaning: str, *, least: int = 1, most: int = LARGEST) -> Any:
    """A field of a whole number from `least` to `most`."""
    return setting(name, read.whole_number(least, most), str(default), meaning)
