"""HTTP behind a proxy: sessions, limits and WebSockets are those of the client that it names."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import temporary_data_folder
from tests.http_house import PASSWORD, House, running
from tests.proxy_headers import LOCAL, V1, header, raw

ANN = {"address": "ann@example.test", "password": PASSWORD}
UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


@pytest.fixture
def house(database_url: str) -> Iterator[House]:
    proxied = {"LEDGERMAIL_PROXIES": "127.0.0.1", "LEDGERMAIL_REGISTRATION": "open"}
    proxied |= {"LEDGERMAIL_ADDRESS_REQUESTS_PER_SECOND": "1"}
    with temporary_data_folder() as folder, running(database_url, folder, **proxied) as found:
        yield found


def exchange(house: House, octets: bytes) -> bytes:
    """All that is answered until the connection ends."""
    place = urlsplit(house.url)
    with socket.create_connection((place.hostname, place.port), timeout=20) as connection:
        connection.sendall(octets)
        answer = b""
        try:
            while piece := connection.recv(65536):
                answer += piece
        except ConnectionResetError:
            pass
    return answer


def request(path: str, body: Any = None, **fields: str) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    all_fields = {"Host": "x", "Connection": "close", "Content-Length": str(len(content))} | fields
    head = "".join(f"{name}: {value}\r\n" for name, value in all_fields.items())
    return f"{'GET' if body is None else 'POST'} {path} HTTP/1.1\r\n{head}\r\n".encode() + content


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def document(answer: bytes) -> Any:
    return json.loads(answer.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize("source", ["203.0.113.9", "2001:db8::7"])
def test_a_session_names_the_client_and_not_the_proxy(house: House, source: str) -> None:
    assert status(exchange(house, header(source) + request("/v1/accounts", ANN))) == 201
    signed = document(exchange(house, header(source) + request("/v1/sessions", ANN)))
    token = {"Authorization": f"Bearer {signed['token']}"}
    found = document(exchange(house, header(source) + request("/v1/sessions", **token)))
    assert [one["address"] for one in found["sessions"]] == [source]


def test_each_client_has_a_limit_of_his_own_also_for_websockets(house: House) -> None:
    answers = [status(exchange(house, header("203.0.113.1") + request("/v1/account"))) for _ in range(12)]
    assert answers[0] == 401
    assert answers[-1] == 429
    websocket = request("/v1/ws", **UPGRADE)
    assert status(exchange(house, header("203.0.113.1") + websocket)) == 429
    assert status(exchange(house, header("203.0.113.2") + websocket)) == 401
    assert status(exchange(house, header("203.0.113.2") + request("/v1/account"))) == 401


def test_a_health_check_is_answered_whatever_it_names(house: House) -> None:
    for check in (raw(LOCAL, 0, b""), header(command=LOCAL)):
        assert status(exchange(house, check + request("/healthz"))) == 200


@pytest.mark.parametrize("said", [b"", V1, header(tail=b"\x01\x02"), raw(0x21, 0x41, bytes(12))])
def test_without_a_whole_header_nothing_is_answered(house: House, said: bytes) -> None:
    assert exchange(house, said + request("/healthz")) == b""


def test_a_connection_that_is_kept_alive_needs_no_second_header(house: House) -> None:
    first = request("/healthz", Connection="keep-alive")
    answer = exchange(house, header() + first + request("/healthz"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2


def test_a_header_from_elsewhere_is_no_request(database_url: str) -> None:
    elsewhere = {"LEDGERMAIL_PROXIES": "192.0.2.0/24, 2001:db8::1"}
    with temporary_data_folder() as folder, running(database_url, folder, **elsewhere) as house:
        assert status(exchange(house, header() + request("/healthz"))) == 400
        assert status(exchange(house, V1 + request("/healthz"))) == 400
        assert status(exchange(house, request("/healthz"))) == 200
