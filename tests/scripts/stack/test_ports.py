"""Ports: free, distinct, remembered."""

import socket
from pathlib import Path

from scripts.stack_servers.ports import HIGHEST, LOOPBACK, LOWEST, assign, is_free, remembered


def test_ports_are_free_and_distinct_and_in_the_range(tmp_path: Path) -> None:
    given = assign(tmp_path / "ports", {"a": ("one", "two"), "b": ("one",)})
    ports = [port for each in given.values() for port in each.values()]
    assert len(set(ports)) == 3
    assert all(LOWEST <= port <= HIGHEST and is_free(port) for port in ports)


def test_a_server_keeps_its_ports_from_start_to_start(tmp_path: Path) -> None:
    first = assign(tmp_path / "ports", {"a": ("one",)})
    other = assign(tmp_path / "ports", {"b": ("one",)})
    assert assign(tmp_path / "ports", {"a": ("one",)}) == first
    assert remembered(tmp_path / "ports") == first | other


def test_a_port_that_somebody_else_took_meanwhile_is_replaced(tmp_path: Path) -> None:
    port = assign(tmp_path / "ports", {"a": ("one",)})["a"]["one"]
    with socket.create_server((LOOPBACK, port)):
        assert not is_free(port)
        given = assign(tmp_path / "ports", {"a": ("one",)})["a"]["one"]
    assert given != port
    assert remembered(tmp_path / "ports")["a"]["one"] == given


def test_the_port_of_a_server_that_does_not_run_is_given_to_no_other(tmp_path: Path) -> None:
    path = tmp_path / "ports"
    reserved = assign(path, {"a": tuple(f"p{n}" for n in range(50))})
    others = assign(path, {"b": tuple(f"p{n}" for n in range(50))})
    assert not set(reserved["a"].values()) & set(others["b"].values())


def test_nothing_is_remembered_before_the_first_start(tmp_path: Path) -> None:
    assert remembered(tmp_path / "ports") == {}
