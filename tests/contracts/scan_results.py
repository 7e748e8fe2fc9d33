"""What all who know scan results keep to; a subclass of `ScanResultsContract` gives the fixture `results`."""

import secrets

import pytest

from infra.caches.scan_results import ScanResult, ScanResults

CLEAN = ScanResult("clean", 1_795_000_000_000)
INFECTED = ScanResult("infected", 1_795_000_000_001, "Eicar-Test-Signature")


class ScanResultsContract:
    """The port's promises, one test each."""

    @pytest.fixture
    def sha256(self) -> str:
        return secrets.token_hex(32)

    def test_what_a_scanner_said_is_known(self, results: ScanResults, sha256: str) -> None:
        for result in (CLEAN, INFECTED):
            results.keep(sha256, "clamav 1.4/27000", result)
            assert results.find(sha256, "clamav 1.4/27000") == result

    def test_of_other_content_and_by_another_scanner_nothing_is_known(self, results: ScanResults, sha256: str) -> None:
        results.keep(sha256, "clamav 1.4/27000", CLEAN)
        assert results.find(sha256[::-1], "clamav 1.4/27000") is None
        assert results.find(sha256, "clamav 1.4/27001") is None
