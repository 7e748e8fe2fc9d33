"""What is read out of mbox files, Maildirs and single files."""

from pathlib import Path

import pytest

from infra.mail_files import FoundMail, ReadingLimits, mail_in, with_crlf

LIMITS = ReadingLimits(max_bytes=10_000)


def contents(path: Path, **changes: object) -> list[bytes | None]:
    limits = ReadingLimits(**({"max_bytes": 10_000} | changes))  # type: ignore[arg-type]
    return [found.content for found in mail_in(path, kind="auto", limits=limits)]


def mbox(folder: Path, text: bytes) -> Path:
    path = folder / "mail.mbox"
    path.write_bytes(text)
    return path


def test_an_mbox_is_split_at_from_lines_behind_empty_lines(tmp_path: Path) -> None:
    path = mbox(
        tmp_path,
        b"From a@x Thu Aug 22 15:05:07 2002\nSubject: 1\n\none\nFrom b@x Thu Aug 22 15:05:08 2002 is quoted\n\n"
        b"From b@x  Thu Aug 22 15:05:08 2002\nSubject: 2\n\ntwo\n\nFrom here on it is text\n\n"
        b"From MAILER-DAEMON Fri Jul  8 12:08:34 2011 +0200\nSubject: 3\n\nthree\n",
    )
    first, second, third = contents(path)
    assert first == b"Subject: 1\r\n\r\none\r\nFrom b@x Thu Aug 22 15:05:08 2002 is quoted\r\n"
    assert second == b"Subject: 2\r\n\r\ntwo\r\n\r\nFrom here on it is text\r\n"
    assert third == b"Subject: 3\r\n\r\nthree\r\n"


def test_the_time_of_the_from_line_is_told(tmp_path: Path) -> None:
    path = mbox(
        tmp_path,
        b"From a@x Thu Aug 22 15:05:07 2002\n\none\n\nFrom b@x Fri Jul  8 12:08:34 2011 +0200\n\ntwo\n\n"
        b"From c@x Sat, 3 of never 12:00:00 2011\n\nthree\n",
    )
    found = list(mail_in(path, kind="auto", limits=LIMITS))
    assert [one.arrived_at for one in found] == [1_030_028_707_000, 1_310_119_714_000, None]
    assert [one.place for one in found] == [0, 1, 2]


@pytest.mark.parametrize("undo", [False, True])
def test_a_quoted_from_line_is_undone_only_when_asked(tmp_path: Path, undo: bool) -> None:
    path = mbox(tmp_path, b"From a@x Thu Aug 22 15:05:07 2002\n\n>From me\n>>From him\n> From\n")
    expected = b"\r\nFrom me\r\n>From him\r\n> From\r\n" if undo else b"\r\n>From me\r\n>>From him\r\n> From\r\n"
    assert contents(path, undo_quoting=undo) == [expected]


def test_status_fields_become_keywords(tmp_path: Path) -> None:
    path = mbox(tmp_path, b"From a@x Thu Aug 22 15:05:07 2002\nStatus: RO\nX-Status: AF\n\nStatus: T\n")
    (found,) = mail_in(path, kind="auto", limits=LIMITS)
    assert found.keywords == ("$answered", "$flagged", "$seen")


def test_a_message_that_is_too_large_is_told_and_the_next_one_read(tmp_path: Path) -> None:
    large = b"x" * 70 + b"\n"
    path = mbox(
        tmp_path,
        b"From a@x Thu Aug 22 15:05:07 2002\n\n" + large * 100_000 + b"\nFrom b@x Thu Aug 22 15:05:08 2002\n\ntwo\n",
    )
    first, second = mail_in(path, kind="auto", limits=LIMITS)
    assert (first.content, second.content) == (None, b"\r\ntwo\r\n")
    assert "10000 bytes" in first.error


def test_line_feeds_alone_become_crlf_and_a_bare_cr_stays(tmp_path: Path) -> None:
    assert with_crlf(b"a\nb\n\nc") == b"a\r\nb\r\n\r\nc"
    assert with_crlf(b"a\r\nb\rc\r\n\nd\r") == b"a\r\nb\rc\r\n\r\nd\r"
    (tmp_path / "one.eml").write_bytes(b"From x Thu Aug 22 15:05:07 2002\nA: b\n\nc\rd\n")
    assert contents(tmp_path / "one.eml") == [b"A: b\r\n\r\nc\rd\r\n"]


def test_a_folder_is_read_by_name_and_links_are_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "in"
    (inside / "below").mkdir(parents=True)
    (inside / "b.eml").write_bytes(b"B: b\n\n")
    (inside / "a").write_bytes(b"A: a\n\n")
    (inside / "below" / "c.eml").write_bytes(b"C: c\n\n")
    (inside / ".hidden").write_bytes(b"H: h\n\n")
    (tmp_path / "secret").write_bytes(b"S: s\n\n")
    (inside / "link.eml").symlink_to(tmp_path / "secret")
    assert contents(inside) == [b"A: a\r\n\r\n", b"B: b\r\n\r\n", b"C: c\r\n\r\n"]


def test_what_is_no_mail_in_a_folder_is_left_out_unless_it_is_called_mail(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": 1}')
    (tmp_path / "b.eml").write_bytes(b"no header at all\n")
    (tmp_path / "c.txt").write_bytes(b"\nSubject: c\n\n")
    found = [(one.other, one.content) for one in mail_in(tmp_path, kind="auto", limits=LIMITS)]
    assert found == [(True, None), (False, b"no header at all\r\n"), (False, b"\r\nSubject: c\r\n\r\n")]
    assert len([one for one in mail_in(tmp_path, kind="eml", limits=LIMITS) if one.content]) == 3


def maildir(path: Path) -> Path:
    for part in ("cur", "new", "tmp"):
        (path / part).mkdir(parents=True)
    return path


def test_a_maildir_gives_flags_and_folders(tmp_path: Path) -> None:
    top = maildir(tmp_path / "Maildir")
    (top / "new" / "1.host").write_bytes(b"N: 1\n\n")
    (top / "cur" / "2.host:2,FRS").write_bytes(b"N: 2\n\n")
    (top / "cur" / "3.host:2,T").write_bytes(b"N: 3\n\n")
    (top / "tmp" / "4.host").write_bytes(b"N: 4\n\n")
    (maildir(top / ".Work.Caf&AOk-") / "cur" / "5.host:2,S").write_bytes(b"N: 5\n\n")
    (maildir(top / "Old") / "new" / "6.host").write_bytes(b"N: 6\n\n")

    def told(found: FoundMail) -> tuple[bytes | None, tuple[str, ...], tuple[str, ...], bool]:
        return found.content, found.keywords, found.folder, found.trashed

    assert [told(found) for found in mail_in(top, kind="auto", limits=LIMITS)] == [
        (b"N: 1\r\n\r\n", (), (), False),
        (b"N: 2\r\n\r\n", ("$answered", "$flagged", "$seen"), (), False),
        (b"N: 3\r\n\r\n", (), (), True),
        (b"N: 6\r\n\r\n", (), ("Old",), False),
        (b"N: 5\r\n\r\n", ("$seen",), ("Work", "Café"), False),
    ]
