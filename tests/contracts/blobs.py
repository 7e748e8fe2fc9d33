"""What every blob store keeps to; an adapter's tests subclass `BlobsContract` and give the fixture `blobs`."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from gateways.blobs import BlobMissingError, BlobNameInvalidError, Blobs

NAME = "emails/2026/11/22/a1.eml"
INVALID_NAMES = [
    "",
    "plain",
    "/emails/a",
    "emails/",
    "emails//a",
    "../emails/a",
    "emails/../a",
    "emails/..",
    "emails/./a",
    ".tmp/a",
    "emails/.hidden",
    "emails/a b",
    "emails/a\n",
    "emails/a\0",
    "emails/ä",
    "emails\\a",
    "emails/" + "a" * 200,
    "/".join("abcdefghij"),
]


class BlobsContract:
    """The port's promises, one test each."""

    def test_what_is_put_is_read_back_byte_for_byte(self, blobs: Blobs) -> None:
        content = bytes(range(256)) * 3000
        blobs.put(NAME, content)
        assert blobs.read(NAME) == content
        assert blobs.size(NAME) == len(content)
        assert blobs.exists(NAME)

    @pytest.mark.parametrize("size_bytes", [0, 1000, 256 * 1024, 700_001])
    def test_what_lies_in_a_spool_is_read_back_and_more_may_follow(self, blobs: Blobs, size_bytes: int) -> None:
        content = (bytes(range(251)) * 3000)[:size_bytes]
        with blobs.spool() as spool:
            for start in range(0, size_bytes, 90_000):
                spool.write(content[start : start + 90_000])
            pieces = [spool.read(start, 70_000) for start in range(0, size_bytes, 1000)]
            assert all(content[1000 * n : 1000 * n + 70_000].startswith(piece) for n, piece in enumerate(pieces))
            assert all(pieces)
            assert spool.read(size_bytes, 10) == b""
            spool.write(b"more")
            blobs.commit(spool, NAME)
        assert blobs.read(NAME) == content + b"more"

    def test_an_empty_object_is_an_object(self, blobs: Blobs) -> None:
        blobs.put(NAME, b"")
        assert blobs.exists(NAME)
        assert (blobs.read(NAME), blobs.size(NAME), b"".join(blobs.open(NAME))) == (b"", 0, b"")

    def test_objects_put_together_are_read_back_each_byte_for_byte(self, blobs: Blobs) -> None:
        objects = {f"emails/2026/11/{22 + number % 2}/a{number}.eml": bytes([number]) * number for number in range(20)}
        blobs.put("emails/2026/11/22/a2.eml", b"one that was there before")
        blobs.put_all(objects)
        assert {name: blobs.read(name) for name in blobs.names("")} == objects
        blobs.put_all({})

    def test_objects_read_together_are_what_each_read_gives_and_one_that_is_missing_says_so(self, blobs: Blobs) -> None:
        objects = {f"emails/2026/11/22/a{number}.eml": bytes([number]) * number for number in range(20)}
        blobs.put_all(objects)
        found = dict(blobs.read_all([*objects, "emails/2026/11/22/none.eml"]))
        assert isinstance(found.pop("emails/2026/11/22/none.eml"), BlobMissingError)
        assert found == objects
        assert blobs.read_all([]) == {}

    def test_a_spool_counts_and_digests_what_it_was_given(self, blobs: Blobs) -> None:
        with blobs.spool() as spool:
            for piece in (b"one", b"", b"x" * 700_000, b"two"):
                spool.write(piece)
            content = b"one" + b"x" * 700_000 + b"two"
            assert (spool.size, spool.sha256) == (len(content), hashlib.sha256(content).hexdigest())
            blobs.commit(spool, NAME)
        assert blobs.read(NAME) == content

    def test_nothing_is_visible_before_the_commit(self, blobs: Blobs) -> None:
        with blobs.spool() as spool:
            spool.write(b"x" * 1_000_000)
            assert not blobs.exists(NAME)
            assert list(blobs.names("")) == []
        assert list(blobs.names("")) == []

    def test_a_commit_may_be_repeated(self, blobs: Blobs) -> None:
        spool = blobs.spool()
        spool.write(b"once")
        blobs.commit(spool, NAME)
        blobs.commit(spool, NAME)
        assert blobs.read(NAME) == b"once"

    def test_a_discard_after_the_commit_takes_nothing_away(self, blobs: Blobs) -> None:
        spool = blobs.spool()
        spool.write(b"kept")
        blobs.commit(spool, NAME)
        spool.discard()
        spool.discard()
        assert blobs.read(NAME) == b"kept"

    def test_a_discarded_spool_takes_and_gives_nothing_more(self, blobs: Blobs) -> None:
        spool = blobs.spool()
        spool.write(b"gone")
        spool.discard()
        with pytest.raises(ValueError, match="discarded"):
            spool.write(b"more")
        with pytest.raises(ValueError, match="discarded"):
            blobs.commit(spool, NAME)
        assert not blobs.exists(NAME)

    def test_a_name_given_again_holds_the_later_content(self, blobs: Blobs) -> None:
        blobs.put(NAME, b"a longer first content")
        blobs.put(NAME, b"second")
        assert blobs.read(NAME) == b"second"

    def test_a_reader_who_began_before_a_replacement_gets_the_old_object_whole(self, blobs: Blobs) -> None:
        old = b"o" * 1_500_000
        blobs.put(NAME, old)
        chunks = blobs.open(NAME)
        first = next(chunks)
        blobs.put(NAME, b"new")
        assert first + b"".join(chunks) == old
        assert blobs.read(NAME) == b"new"

    def test_readers_beside_a_writer_see_one_content_or_the_other_never_a_mixture(self, blobs: Blobs) -> None:
        contents = {b"a" * 300_000, b"b" * 200_000}
        blobs.put(NAME, min(contents))
        stop = threading.Event()

        def replace() -> None:
            while not stop.is_set():
                for content in contents:
                    blobs.put(NAME, content)

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(replace)
            seen = [blobs.read(NAME) for _ in range(200)] + [b"".join(blobs.open(NAME)) for _ in range(200)]
            stop.set()
            writing.result()
        assert set(seen) <= contents

    def test_a_part_of_an_object_is_read_by_start_and_length(self, blobs: Blobs) -> None:
        blobs.put(NAME, b"0123456789")
        assert blobs.read(NAME, start=3, length=4) == b"3456"
        assert blobs.read(NAME, start=8) == b"89"
        assert blobs.read(NAME, length=2) == b"01"
        assert blobs.read(NAME, start=8, length=100) == b"89"
        assert blobs.read(NAME, start=10) == b""
        assert blobs.read(NAME, start=99, length=1) == b""
        assert blobs.read(NAME, length=0) == b""
        with pytest.raises(ValueError, match="negative"):
            blobs.read(NAME, start=-1)

    def test_what_is_missing_says_so_in_every_reading_call(self, blobs: Blobs) -> None:
        blobs.put(NAME, b"x")
        for missing in ("emails/2026/11/22/a2.eml", "nowhere/at/all", "emails/2026", NAME + "/below"):
            assert not blobs.exists(missing)
            with pytest.raises(BlobMissingError):
                blobs.read(missing)
            with pytest.raises(BlobMissingError):
                blobs.open(missing)
            with pytest.raises(BlobMissingError):
                blobs.size(missing)

    def test_deleting_is_safe_to_repeat(self, blobs: Blobs) -> None:
        blobs.put(NAME, b"x")
        blobs.delete(NAME)
        blobs.delete(NAME)
        blobs.delete("never/was")
        assert not blobs.exists(NAME)
        blobs.put(NAME, b"again")
        assert blobs.read(NAME) == b"again"

    def test_names_are_listed_by_prefix(self, blobs: Blobs) -> None:
        given = {
            "emails/2026/11/22/a.eml",
            "emails/2026/11/23/b.eml",
            "emails/2026/1/c.eml",
            "uploads/u1",
            "uploads/u2",
        }
        for name in given:
            blobs.put(name, b"")
        assert set(blobs.names("")) == given
        assert set(blobs.names("emails/2026/11/")) == {"emails/2026/11/22/a.eml", "emails/2026/11/23/b.eml"}
        assert set(blobs.names("emails/2026/1")) == {n for n in given if n.startswith("emails/2026/1")}
        assert set(blobs.names("uploads/u2")) == {"uploads/u2"}
        for nothing in ("attachments/", "/", "../", "emails/../uploads/"):
            assert list(blobs.names(nothing)) == []

    @pytest.mark.parametrize("name", INVALID_NAMES)
    def test_a_name_that_could_leave_the_store_is_refused_everywhere(self, blobs: Blobs, name: str) -> None:
        for call in (blobs.read, blobs.open, blobs.size, blobs.exists, blobs.delete):
            with pytest.raises(BlobNameInvalidError):
                call(name)
        with pytest.raises(BlobNameInvalidError):
            blobs.put(name, b"x")
        assert list(blobs.names("")) == []

    def test_sixteen_threads_that_put_at_once_all_find_their_objects(self, blobs: Blobs) -> None:
        contents = {f"emails/2026/11/{n % 3 + 10}/m{n}.eml": b"%d " % n * 2000 for n in range(200)}
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda item: blobs.put(*item), contents.items()))
        assert {name: blobs.read(name) for name in blobs.names("")} == contents

    def test_sixteen_threads_that_put_one_name_leave_one_whole_object(self, blobs: Blobs) -> None:
        contents = [bytes([n]) * 50_000 for n in range(16)]
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda content: blobs.put(NAME, content), contents * 3))
        assert blobs.read(NAME) in contents
        assert list(blobs.names("")) == [NAME]
