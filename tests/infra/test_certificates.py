"""The certificate that doors show: read again when its files change, and never replaced by what cannot be used."""

import socket
import ssl
import threading
from pathlib import Path

import pytest

from infra.operator_errors import OperatorError
from infra.serving.certificates import Certificate
from tests.certificates import self_signed


def shown(certificate: Certificate) -> bytes:
    """What a client is shown that connects now."""
    one, other = socket.socketpair()

    def serve() -> None:
        certificate.context.wrap_socket(other, server_side=True).unwrap()

    serving = threading.Thread(target=serve)
    serving.start()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with context.wrap_socket(one) as secured:
        found = secured.getpeercert(binary_form=True)
        assert found is not None
        secured.unwrap()
    serving.join()
    other.close()
    return found


def test_each_handshake_shows_what_was_read_last(tmp_path: Path) -> None:
    certificate = Certificate(*self_signed(tmp_path))
    before = shown(certificate)
    self_signed(tmp_path)
    assert shown(certificate) == before
    certificate.read_again()
    assert shown(certificate) != before


@pytest.mark.parametrize("broken", ["cert.pem", "key.pem"])
def test_files_that_cannot_be_used_leave_the_one_before_in_place(tmp_path: Path, broken: str) -> None:
    certificate = Certificate(*self_signed(tmp_path))
    before = shown(certificate)
    (tmp_path / broken).write_text("half of a")
    certificate.read_again()
    assert shown(certificate) == before
    (tmp_path / broken).unlink()
    certificate.read_again()
    assert shown(certificate) == before


def test_a_look_reads_files_that_have_changed(tmp_path: Path) -> None:
    certificate = Certificate(*self_signed(tmp_path))
    before = shown(certificate)
    self_signed(tmp_path)
    certificate.look()
    assert shown(certificate) != before


def test_a_look_at_files_that_have_not_changed_reads_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificate = Certificate(*self_signed(tmp_path))
    with caplog.at_level("INFO"):
        certificate.look()
    assert caplog.messages == []


def test_looks_end_when_they_are_told_to(tmp_path: Path) -> None:
    stop = threading.Event()
    looking = threading.Thread(target=Certificate(*self_signed(tmp_path)).look_after, args=(stop,), daemon=True)
    looking.start()
    assert looking.is_alive()
    stop.set()
    looking.join(60)
    assert not looking.is_alive()


def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    chain, key = self_signed(tmp_path)
    chain.write_text("nothing")
    with pytest.raises(OperatorError, match="cannot be used"):
        Certificate(chain, key)
