"""The folder of keys: the contract, its files, its master key, a crash, a restore."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.file_keys import FileKeys
from infra.keys import KeyBrokenError, KeyDestroyedError, MasterKeyError
from tests.contracts.keys import KeysContract, OpenKeys

ROOT = Path(__file__).resolve().parents[2]


def opened(folder: Path) -> FileKeys:
    return FileKeys(folder, folder / "master.key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def open_keys(folder: Path) -> OpenKeys:
    return lambda: opened(folder)


class TestFileKeys(KeysContract):
    """The contract of tests/contracts/keys.py."""


def key_file(folder: Path, mailbox_id: str) -> Path:
    (path,) = folder.rglob(f"{mailbox_id}.key")
    return path


def test_the_first_start_makes_a_master_key_and_says_so_once(folder: Path) -> None:
    assert opened(folder).created_master_key
    assert len((folder / "master.key").read_bytes()) == 32
    assert not opened(folder).created_master_key


def test_many_first_starts_at_once_make_one_master_key(folder: Path) -> None:
    script = f"from pathlib import Path; from infra.file_keys import FileKeys; f = Path({str(folder)!r}); print(FileKeys(f, f / 'master.key').created_master_key)"  # noqa: E501
    starts = [subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE) for _ in range(6)]
    said = [start.communicate(timeout=60)[0].strip() for start in starts]
    assert sorted(said) == [b"False"] * 5 + [b"True"]


def test_everything_is_closed_to_other_users_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        keys = opened(folder)
        keys.create("b1")
        keys.destroy("b2")
    finally:
        os.umask(before)
    for path in [folder, *folder.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o700 if path.is_dir() else 0o600), path


def test_neither_the_master_key_nor_a_secret_lies_in_a_key_file(folder: Path) -> None:
    key = opened(folder).create("b1")
    stored = key_file(folder, "b1").read_bytes()
    assert key.secret not in stored
    assert (folder / "master.key").read_bytes() not in stored


def test_keys_lie_two_folders_deep(folder: Path) -> None:
    keys = opened(folder)
    for n in range(30):
        keys.create(f"b{n}")
    places = {path.parent.relative_to(folder).as_posix() for path in folder.rglob("*.key") if path.parent != folder}
    assert len(places) == 30
    assert all(len(place) == 5 and place[2] == "/" for place in places)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o620])
def test_a_master_key_open_to_others_is_refused_in_one_line(folder: Path, mode: int) -> None:
    opened(folder)
    (folder / "master.key").chmod(mode)
    with pytest.raises(MasterKeyError, match="chmod 600") as refused:
        opened(folder)
    assert "\n" not in str(refused.value)


def test_a_key_folder_open_to_others_is_refused_in_one_line(folder: Path) -> None:
    opened(folder)
    folder.chmod(0o750)
    with pytest.raises(MasterKeyError, match=r"^[^\n]*chmod 700[^\n]*$"):
        opened(folder)


@pytest.mark.parametrize("content", [b"", b"short", bytes(31), bytes(33), b"0" * 64])
def test_what_is_no_master_key_is_refused(folder: Path, content: bytes) -> None:
    opened(folder)
    (folder / "master.key").write_bytes(content)
    with pytest.raises(MasterKeyError, match="no master key"):
        opened(folder)


def test_another_master_key_is_refused_at_the_start(folder: Path) -> None:
    opened(folder).create("b1")
    (folder / "master.key").write_bytes(os.urandom(32))
    with pytest.raises(MasterKeyError, match="not the master key"):
        opened(folder)


def test_a_missing_master_key_is_never_replaced_while_keys_need_it(folder: Path) -> None:
    opened(folder).create("b1")
    (folder / "master.key").unlink()
    with pytest.raises(MasterKeyError, match="missing"):
        opened(folder)
    assert not (folder / "master.key").exists()


def test_a_folder_in_place_of_the_master_key_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "master.key").mkdir()
    with pytest.raises(MasterKeyError, match="not a file"):
        opened(folder)


def test_a_master_key_may_lie_elsewhere(folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "safe" / "key"
    key = FileKeys(folder, elsewhere).create("b1")
    assert elsewhere.stat().st_mode & 0o777 == 0o600
    assert elsewhere.parent.stat().st_mode & 0o777 == 0o700
    assert FileKeys(folder, elsewhere).get("b1") == key


def test_a_key_under_another_master_key_or_damaged_is_an_error_never_a_missing_key(
    folder: Path, tmp_path: Path
) -> None:
    opened(folder).create("b1")
    other = tmp_path / "other"
    opened(other).create("b1")
    for damage in (key_file(other, "b1").read_bytes(), b"", b"nonsense", key_file(folder, "b1").read_bytes()[:-1]):
        key_file(folder, "b1").write_bytes(damage)
        for call in (opened(folder).get, opened(folder).create):
            with pytest.raises(KeyBrokenError, match="b1"):
                call("b1")


def test_a_key_file_put_in_the_place_of_another_mailboxs_does_not_open(folder: Path) -> None:
    keys = opened(folder)
    keys.create("b1")
    keys.create("b2")
    shutil.copy(key_file(folder, "b1"), key_file(folder, "b2"))
    with pytest.raises(KeyBrokenError):
        opened(folder).get("b2")


def test_destroying_overwrites_the_file_before_it_goes(folder: Path, tmp_path: Path) -> None:
    keys = opened(folder)
    keys.create("b1")
    before = key_file(folder, "b1").read_bytes()
    os.link(key_file(folder, "b1"), tmp_path / "watched")
    keys.destroy("b1")
    assert list(folder.rglob("b1.key")) == []
    after = (tmp_path / "watched").read_bytes()
    assert len(after) == len(before)
    assert before[:16] not in after
    assert before[-32:] not in after


def test_restored_keys_of_the_destroyed_go_again_once_tombstones_are_merged(folder: Path, tmp_path: Path) -> None:
    keys = opened(folder)
    kept = keys.create("b1")
    keys.create("b2")
    shutil.copytree(folder, tmp_path / "copy")
    keys.destroy("b2")
    keys.destroy("b3")
    restored = opened(tmp_path / "copy")
    assert restored.get("b2") is not None
    assert restored.merge_tombstones(folder) == 2
    assert restored.merge_tombstones(folder) == 0
    assert restored.get("b2") is None
    assert restored.get("b1") == kept
    assert restored.tombstones() == ["b2", "b3"]
    assert list((tmp_path / "copy").rglob("b2.key")) == []
    with pytest.raises(KeyDestroyedError):
        restored.create("b3")
    assert restored.merge_tombstones(tmp_path / "nothing") == 0


def test_the_cache_is_bounded(folder: Path) -> None:
    keys = FileKeys(folder, folder / "master.key", cached_keys=3)
    made = {f"b{n}": keys.create(f"b{n}") for n in range(10)}
    assert len(keys._cache) == 3
    assert {name: keys.get(name) for name in made} == made
    assert len(keys._cache) == 3


KILLED = """
import os, signal, sys
from pathlib import Path
from infra.file_keys import FileKeys
folder, call, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
keys = FileKeys(folder, folder / "master.key")
left = [at]
def dying(real):
    def step(*args, **kwargs):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)
    return step
for name in ("open", "write", "fsync", "link", "unlink", "mkdir"):
    setattr(os, name, dying(getattr(os, name)))
getattr(keys, call)("b1")
os._exit(0)
"""


def killed(folder: Path, call: str, step: int) -> bool:
    ended = subprocess.run([sys.executable, "-c", KILLED, str(folder), call, str(step)], cwd=ROOT, check=False)
    assert ended.returncode in (0, -signal.SIGKILL)
    return ended.returncode != 0


def test_a_creation_killed_at_any_step_can_be_finished(folder: Path, tmp_path: Path) -> None:
    step = 1
    while killed(tmp_path / f"keys{step}", "create", step):
        keys = opened(tmp_path / f"keys{step}")
        found = [keys.get("b1")] if list((tmp_path / f"keys{step}").rglob("b1.key")) else []
        made = keys.create("b1")
        assert found in ([], [made])
        step += 1
    assert step > 8


def test_a_destruction_killed_at_any_step_is_finished_by_the_next_start(tmp_path: Path) -> None:
    was_killed, fates = True, []
    while was_killed:
        folder = tmp_path / f"keys{len(fates)}"
        made = opened(folder).create("b1")
        was_killed = killed(folder, "destroy", len(fates) + 1)
        keys = opened(folder)
        fates.append({made: "kept", None: "gone"}[keys.get("b1")])
        assert bool(keys.tombstones()) == (list(folder.rglob("b1.key")) == []) == (fates[-1] == "gone")
    assert (fates[0], fates[-1]) == ("kept", "gone")
    assert fates == sorted(fates, reverse=True)
    assert len(fates) > 6
