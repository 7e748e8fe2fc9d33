"""How the accounts reach their database, and what callers hear when it does not answer."""

import concurrent.futures
import functools
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ParamSpec, TypeVar

import psycopg
from psycopg import Connection

from gateways.accounts import AccountsUnavailableError
from infra.keys import KeyMissingError
from infra.store.lane import LaneClosedError

Connect = Callable[[], AbstractContextManager[Connection[Any]]]
"""Lends an autocommit connection that its `with` block gives back."""

OUTAGES = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    concurrent.futures.TimeoutError,
    LaneClosedError,
    KeyMissingError,
    ConnectionError,
)

P = ParamSpec("P")
R = TypeVar("R")


def told_as_unavailable(method: Callable[P, R]) -> Callable[P, R]:
    """The method, with outages of the database, the lane or the key store raised as `AccountsUnavailableError`."""

    @functools.wraps(method)
    def told(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except OUTAGES as error:
            raise AccountsUnavailableError("the accounts cannot be asked at present") from error

    return told
