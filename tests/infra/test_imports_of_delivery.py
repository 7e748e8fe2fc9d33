"""A process that delivers has loaded what it needs before it takes its first lease: who dies of a mail dies soon."""

import subprocess
import sys
from pathlib import Path

import pytest

DELIVERS = """
import sys
from gateways.mail_objects import read_mail
from infra.composition import Parts
from infra.delivery_parts import DeliveryParts
from infra.settings import load
from tests.post_office import MAIL, envelope_of

with Parts(load({"LEDGERMAIL_DATABASE_URL": sys.argv[1], "LEDGERMAIL_DATA": sys.argv[2]})) as parts:
    parts.ensure_operator()
    post = DeliveryParts(parts)
    spool = post.reception.spool()
    spool.write(MAIL % b"1")
    post.reception.accept(envelope_of(MAIL % b"1", "postmaster", received_at=1_800_000_000_000), spool)
    worker = post.worker()
    loaded = set(sys.modules)
    assert worker.run_due() == 1
    print(*sorted(set(sys.modules) - loaded))
"""


@pytest.mark.timeout(300)
def test_the_first_mail_loads_nothing(database_url: str, data_folder: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", DELIVERS, database_url, data_folder], capture_output=True, check=True)
    assert [name for name in ran.stdout.decode().split() if not name.startswith("encodings.")] == []
