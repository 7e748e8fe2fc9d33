"""What every key store keeps to; an adapter's tests subclass `KeysContract` and give the fixture `open_keys`."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from infra.keys import KeyDestroyedError, KeyMissingError, Keys

OpenKeys = Callable[[], Keys]
"""Opens the same store once more, as another process does."""


class KeysContract:
    """The port's promises, one test each."""

    def test_a_mailbox_has_no_key_before_one_is_made(self, open_keys: OpenKeys) -> None:
        keys = open_keys()
        with pytest.raises(KeyMissingError, match="b1"):
            keys.get("b1")

    def test_a_key_once_made_is_the_same_for_ever_and_everywhere(self, open_keys: OpenKeys) -> None:
        keys = open_keys()
        key = keys.create("b1")
        assert [keys.create("b1"), keys.get("b1"), open_keys().create("b1"), open_keys().get("b1")] == [key] * 4

    def test_keys_are_long_and_no_two_are_alike(self, open_keys: OpenKeys) -> None:
        keys = [open_keys().create(f"b{n}") for n in range(20)]
        assert {len(key.secret) for key in keys} == {32}
        assert len({key.secret for key in keys}) == len({key.key_id for key in keys}) == 20

    def test_a_secret_does_not_show_when_the_key_is_printed(self, open_keys: OpenKeys) -> None:
        key = open_keys().create("b1")
        assert repr(key.secret) not in repr(key)
        assert key.key_id in repr(key)

    def test_many_who_make_a_key_at_once_get_the_same_one(self, open_keys: OpenKeys) -> None:
        stores = [open_keys() for _ in range(16)]
        with ThreadPoolExecutor(16) as pool:
            for round_ in range(5):
                made = set(pool.map(lambda keys, name=f"b{round_}": keys.create(name), stores))  # type: ignore[misc]
                assert made == {open_keys().get(f"b{round_}")}

    def test_a_destroyed_key_is_gone_at_once_from_every_process(self, open_keys: OpenKeys) -> None:
        here, there = open_keys(), open_keys()
        kept = here.create("b2")
        here.create("b1")
        assert there.get("b1") is not None
        here.destroy("b1")
        assert (here.get("b1"), there.get("b1"), open_keys().get("b1")) == (None, None, None)
        assert there.get("b2") == kept

    def test_a_mailbox_whose_key_was_destroyed_never_gets_another(self, open_keys: OpenKeys) -> None:
        here, there = open_keys(), open_keys()
        here.create("b1")
        here.destroy("b1")
        for keys in (here, there, open_keys()):
            with pytest.raises(KeyDestroyedError):
                keys.create("b1")
            assert keys.get("b1") is None

    def test_destroying_is_safe_to_repeat_and_needs_no_key(self, open_keys: OpenKeys) -> None:
        keys = open_keys()
        keys.create("b1")
        for _ in range(2):
            keys.destroy("b1")
            keys.destroy("never-made")
        with pytest.raises(KeyDestroyedError):
            keys.create("never-made")

    def test_making_and_destroying_at_once_ends_destroyed(self, open_keys: OpenKeys) -> None:
        def create(keys: Keys, name: str) -> None:
            try:
                keys.create(name)
            except KeyDestroyedError:
                return

        stores = [open_keys() for _ in range(8)]
        with ThreadPoolExecutor(8) as pool:
            for name in [f"b{n}" for n in range(20)]:
                work = [pool.submit(create, keys, name) for keys in stores[1:5]]
                work.append(pool.submit(stores[0].destroy, name))
                work += [pool.submit(create, keys, name) for keys in stores[5:]]
                for done in work:
                    done.result()
                assert {keys.get(name) for keys in stores} == {None}

    @pytest.mark.parametrize("name", ["", "../b1", "b/1", "B1", "1b", "b.1", "b1\n", "b" * 65, "b\0", "bé"])
    def test_what_is_no_mailbox_id_is_refused(self, open_keys: OpenKeys, name: str) -> None:
        keys = open_keys()
        for call in (keys.create, keys.get, keys.destroy):
            with pytest.raises(ValueError, match="mailbox id"):
                call(name)
