"""A request leaves no circle of objects behind: the collector, which stops everybody, has nothing to look for."""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from tests.http_house import House, Person


@contextmanager
def kept_garbage() -> Iterator[Callable[[], list[Any]]]:
    """What only the collector could free since this began."""
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield lambda: (gc.collect(), list(gc.garbage))[1]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize("form", ["since=0", "since={head}", "since={head}&wait=0.01", "since=x"])
def test_no_request_waits_for_the_collector(house: House, ann: Person, form: str) -> None:
    path = f"/v1/sync?{form.format(head=ann.head())}"
    with httpx.Client(base_url=house.url, headers=ann.http.headers, trust_env=False) as client:
        client.get(path)
        with kept_garbage() as garbage:
            for _ in range(10):
                client.get(path)
            assert not [one for one in garbage() if isinstance(one, RequestResponseCycle)]
