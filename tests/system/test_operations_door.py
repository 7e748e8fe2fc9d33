"""The door for monitoring of a service that serves no HTTP."""

import socket

import httpx
import pytest

from tests.system.service import free_ports, installation, until

REQUEST_LINE = b"GET /healthz HTTP/1.0\r\n"


@pytest.mark.timeout(120)
def test_a_service_without_http_is_watched_by_a_door_of_its_own() -> None:
    (port,) = free_ports(1)
    address = {"LEDGERMAIL_OPERATIONS": f"127.0.0.1:{port}"}
    with installation(arguments=("--only", "delivery,follower"), settings=address) as service:
        service.start()
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as http:
            assert http.get("/healthz").json() == {"status": "ok"}
            until(lambda: http.get("/readyz").json() == {"status": "ready", "failing": []}, within_s=30)
            text = http.get("/metrics").text
            assert "\nledgermail_queue_records 0.0" in text
            assert 'ledgermail_followers_ready{view="search"} 1.0' in text
            for path in ("/", "/v1/account", "/metrics/../healthz?x", "/docs"):
                assert http.get(path).status_code == 404
            assert http.post("/metrics").status_code == 501
        assert set(service.children()) == {"delivery", "follower"}
        with socket.create_connection(("127.0.0.1", port)) as silent:
            silent.sendall(REQUEST_LINE)
            code, stop_s = service.stop()
        assert code == 0
        assert stop_s < 10
