"""A service that stops does not wait for scans."""

import threading
from concurrent.futures import ThreadPoolExecutor

import psycopg

from gateways.virus.scanning import UNSCREENED, Scan
from infra.settings_readers import listen_address
from infra.virus.parts import VirusParts
from infra.virus.results import PostgresScanResults
from tests.clamd_server import clamd_server

NOWHERE = "host=127.0.0.1 port=1"


def test_a_scan_that_is_under_way_at_a_stop_ends_without_a_word() -> None:
    stop = threading.Event()
    with clamd_server() as server, ThreadPoolExecutor(2) as pool:
        server.answers.clear()
        parts = VirusParts(listen_address(server.address), PostgresScanResults(lambda: psycopg.connect(NOWHERE)))
        try:
            closing = pool.submit(parts.close_at, stop)
            scan = pool.submit(parts.scanner.scan, (b"x",), sha256="0" * 64, size_bytes=1)
            server.asked.wait()
            stop.set()
            assert scan.result() == Scan(UNSCREENED)
            closing.result()
        finally:
            stop.set()
            server.answers.set()
        assert parts.scanner.scan((b"x",), sha256="0" * 64, size_bytes=1) == Scan(UNSCREENED)
        assert not parts.scanner.answers()
