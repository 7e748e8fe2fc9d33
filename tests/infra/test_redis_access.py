"""Who may ask the Redis, and whom it is believed to be: a user of its own, TLS, and the certificates behind it."""

import datetime as dt
import ipaddress
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.buckets import Bucket, Charge, MemoryBuckets
from infra.operator_errors import OperatorError
from infra.redis_server.buckets import RedisBuckets
from infra.redis_server.cache import RedisCache
from infra.redis_server.fan_out import RedisListener, RedisTeller
from infra.redis_server.known_tokens import RedisTokens
from infra.redis_server.server import RedisServer
from tests.contracts.known_tokens import ANN, asked
from tests.contracts.wakes import Ears
from tests.own_redis import OwnRedis, fresh_names, own_redis

pytestmark = pytest.mark.servers
DOCUMENT = Path(__file__).parents[2] / "docs" / "deploy.md"
KEY = bytes(32)
ROOMY_S = 5.0


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnRedis]:
    with own_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


class NothingBefore:
    """Nothing must be caught up with."""

    def catch_up(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


def documented_permissions() -> list[str]:
    [line] = [line for line in DOCUMENT.read_text().splitlines() if "**A user of its own**" in line]
    return line.split("`")[1].split()


def test_a_user_with_the_documented_permissions_can_do_everything(own: OwnRedis) -> None:
    with own.client as client:
        client.execute_command("ACL", "SETUSER", "mail", "reset", "on", ">word", *documented_permissions())
    address = urlsplit(own.variables["LEDGERMAIL_REDIS"])
    with closing(RedisServer(f"redis://mail:word@{address.hostname}:{address.port}/0", timeout_s=ROOMY_S)) as server:
        server.start()
        names, ears, key = fresh_names(), Ears(), b"k" * 32
        cache, buckets = RedisCache(server), RedisBuckets(server, names, MemoryBuckets())
        cache.put(names.of("any"), b"value", for_s=60)
        assert cache.get(names.of("any")) == b"value"
        assert [buckets.add([Charge("ann", Bucket(1, 60_000))]) > 0 for _ in range(2)] == [False, True]
        buckets.take_back([], emptied="ann")
        tokens = RedisTokens(server, names, key=KEY)
        tokens.note(key, ANN, asked(tokens, key))
        assert server.ask("GET", names.of("session", key))
        channel = names.of("heads")
        with closing(RedisListener(server, channel, ears.hear, ears.gap, key=KEY, before=NothingBefore())):
            ears.wait_for(lambda one: one.gaps == 1)
            assert RedisTeller(server, channel, key=KEY).tell(["m1:1"])
            ears.wait_for(lambda one: one.heads == {"m1": 1})


def test_a_server_of_a_trusted_certificate_is_asked_over_tls(own: OwnRedis, tmp_path: Path) -> None:
    with over_tls(own, tmp_path) as url, closing(_server(url, tmp_path / "ca.pem")) as server:
        server.start()
        assert server.ask("PING") == b"PONG"


def test_a_certificate_that_nobody_vouches_for_stops_the_start_with_one_line(own: OwnRedis, tmp_path: Path) -> None:
    refused = pytest.raises(OperatorError, match=r"^the Redis of LEDGERMAIL_REDIS is not trusted: [^\n]*$")
    with over_tls(own, tmp_path) as url, closing(_server(url)) as server, refused:
        server.start()


def _server(url: str, ca_file: Path | None = None) -> RedisServer:
    return RedisServer(url, ca_file=ca_file, timeout_s=ROOMY_S)


@contextmanager
def over_tls(own: OwnRedis, folder: Path) -> Iterator[str]:
    """The URL of the same Redis behind TLS; who vouches for it is `ca.pem` in the folder."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(_certificate(folder))
    there = urlsplit(own.variables["LEDGERMAIL_REDIS"])
    with socket.create_server(("127.0.0.1", 0)) as listening:
        accepting = threading.Thread(target=_accept, args=(listening, context, there.port), daemon=True)
        accepting.start()
        yield f"rediss://:{there.password}@127.0.0.1:{listening.getsockname()[1]}/0"
        listening.shutdown(socket.SHUT_RDWR)
        accepting.join(10)


def _accept(listening: socket.socket, context: ssl.SSLContext, port: int) -> None:
    with suppress(OSError):
        while True:
            plain, _ = listening.accept()
            threading.Thread(target=_serve, args=(plain, context, port), daemon=True).start()


def _serve(plain: socket.socket, context: ssl.SSLContext, port: int) -> None:
    """Question by question: a client that waits for each answer needs no more."""
    far = socket.create_connection(("127.0.0.1", port))
    with suppress(OSError), far, context.wrap_socket(plain, server_side=True) as near:
        while question := near.recv(65536):
            far.sendall(question)
            near.sendall(far.recv(65536))


def _certificate(folder: Path) -> Path:
    """A certificate that vouches for itself, with its key; the certificate alone is `ca.pem`."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "cache")])
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(hours=1)).not_valid_after(now + dt.timedelta(hours=1))
    host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    basic = x509.BasicConstraints(ca=True, path_length=None)
    made = builder.add_extension(host, critical=False).add_extension(basic, critical=True).sign(key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM)
    (folder / "ca.pem").write_bytes(pem)
    kind = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    (folder / "server.pem").write_bytes(pem + key.private_bytes(serialization.Encoding.PEM, *kind))
    return folder / "server.pem"
