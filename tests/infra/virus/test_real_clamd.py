"""The real clamd that `scripts/test --servers` brought up: the scanner's contract, and what only it can find."""

import pytest

from gateways.virus.scanning import INFECTED
from infra.settings_readers import ListenAddress, listen_address
from infra.virus.clamd import Clamd
from tests.contracts.virus_scanner import ScannerContract, eicar_in_a_mail, eicar_in_a_zip, scanned
from tests.servers import setting

pytestmark = pytest.mark.servers


@pytest.fixture
def address() -> ListenAddress:
    return listen_address(setting("CLAMD"))


class TestRealClamd(ScannerContract):
    """The contract of tests/contracts/virus_scanner.py."""

    @pytest.mark.parametrize("content", [eicar_in_a_mail(), eicar_in_a_zip()], ids=["mail", "zip"])
    def test_a_threat_is_found_inside_what_carries_it(self, clamd: Clamd, content: bytes) -> None:
        assert scanned(clamd, content).verdict == INFECTED

    def test_content_beyond_its_limit_finds_nothing_out(self, clamd: Clamd) -> None:
        assert scanned(clamd, *([bytes(2**20)] * 70)).verdict == "too_large"
