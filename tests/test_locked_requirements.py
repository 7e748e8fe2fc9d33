"""Who installs with pip gets what who installs with uv gets."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_both_lock_files_name_the_same_versions() -> None:
    packages = tomllib.loads((ROOT / "uv.lock").read_text())["package"]
    by_uv = {(package["name"], package["version"]) for package in packages if package["name"] != "ledgermail"}
    by_pip = set(re.findall(r"^([a-z0-9.-]+)==([^ ;\\]+)", (ROOT / "requirements.lock").read_text(), re.MULTILINE))
    command = "uv export --frozen --no-emit-project --all-groups --no-annotate --no-header -o requirements.lock"
    assert by_pip == by_uv, f"write it again: {command}"
