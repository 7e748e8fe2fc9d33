"""A backup is made of the data folder: what lies elsewhere is never left out in silence."""

from pathlib import Path

import pytest

from infra.command_line.opened import require_in_data_folder
from infra.operator_errors import OperatorError
from infra.settings import load


@pytest.mark.parametrize("part", ["BLOBS", "KEYS"])
def test_a_backup_of_an_installation_with_a_bucket_is_refused_in_one_line(part: str, tmp_path: Path) -> None:
    settings = load({f"LEDGERMAIL_{part}": "s3", "LEDGERMAIL_S3_BUCKET": "mail", "LEDGERMAIL_DATA": str(tmp_path)})
    with pytest.raises(OperatorError, match=rf"^LEDGERMAIL_{part} is s3: [^\n]+$"):
        require_in_data_folder(settings)


def test_a_backup_of_an_installation_in_its_data_folder_is_not(tmp_path: Path) -> None:
    require_in_data_folder(load({"LEDGERMAIL_DATA": str(tmp_path)}))
