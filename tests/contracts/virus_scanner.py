"""What a scanner keeps to, ours and the real one; a subclass of `ScannerContract` gives the fixture `address`."""

import asyncio
import base64
import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Iterable

import pytest

from gateways.virus.scanning import CLEAN, INFECTED, Scan
from infra.settings_readers import ListenAddress
from infra.virus.clamd import Clamd
from tests.clamd_server import EICAR

MAIL = b"From: a@elsewhere.test\r\nSubject: %b\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n%b\r\n"


async def pieces(content: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


def scanned(clamd: Clamd, *content: bytes) -> Scan:
    return asyncio.run(clamd.scan(pieces(content)))


def eicar_in_a_mail() -> bytes:
    encoded = base64.encodebytes(EICAR).replace(b"\n", b"\r\n")
    head = b'Content-Type: application/octet-stream; name="a.com"\r\nContent-Transfer-Encoding: base64\r\n\r\n'
    return b"From: a@b.test\r\nMIME-Version: 1.0\r\n" + head + encoded


def eicar_in_a_zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.com", EICAR)
    return file.getvalue()


class ScannerContract:
    """The port's promises, one test each."""

    @pytest.fixture
    def clamd(self, address: ListenAddress) -> Clamd:
        return Clamd(address)

    def test_what_is_harmless_is_clean(self, clamd: Clamd) -> None:
        assert scanned(clamd, MAIL % (b"hi", b"How are you?")) == Scan(CLEAN)

    def test_nothing_at_all_is_clean(self, clamd: Clamd) -> None:
        assert scanned(clamd).verdict == CLEAN
        assert scanned(clamd, b"", b"").verdict == CLEAN

    def test_a_threat_is_found_and_named(self, clamd: Clamd) -> None:
        found = scanned(clamd, EICAR)
        assert found.verdict == INFECTED
        assert "eicar" in found.threat.lower()

    def test_content_in_many_pieces_larger_than_a_chunk_is_one(self, clamd: Clamd) -> None:
        mail = MAIL % (b"hi", b"0123456789" * 40_000)
        assert scanned(clamd, *(mail[start : start + 200_000] for start in range(0, len(mail), 200_000))) == Scan(CLEAN)

    def test_it_says_who_it_is_with_its_signatures(self, clamd: Clamd) -> None:
        assert asyncio.run(clamd.version()).startswith("ClamAV ")
        assert clamd.last_version == asyncio.run(clamd.version())
        asyncio.run(clamd.check())


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
