"""Reverse-paths of what is forwarded."""

import pytest

from domain.addresses import EmailAddress
from gateways.srs import DAY_S, Srs

NOW_S = 1_800_000_000


def srs(domain: str = "ours.test", *, secret: bytes = b"secret", days: int = 0) -> Srs:
    return Srs(secret, domain, clock_s=lambda: NOW_S + days * DAY_S)


def back(path: str, **changes: int) -> str | None:
    found = srs(**changes).reverse(EmailAddress.parse(path))  # type: ignore[arg-type]
    return None if found is None else str(found)


@pytest.mark.parametrize("sender", ["bob@elsewhere.test", "a.b+c=d@sub.elsewhere.test", "srs@elsewhere.test"])
def test_a_bounce_finds_its_way_back_whatever_becomes_of_the_case(sender: str) -> None:
    path = srs().forward(sender)
    assert path.startswith("SRS0=")
    assert path.endswith("@ours.test")
    assert back(path) == sender
    assert back(path.lower()) == sender
    assert back(path.upper()) == sender.upper().replace(sender.upper().rpartition("@")[2], sender.rpartition("@")[2])


def test_an_address_is_good_for_three_weeks() -> None:
    path = srs().forward("bob@elsewhere.test")
    assert back(path, days=21) == "bob@elsewhere.test"
    assert back(path, days=22) is None
    assert back(path, days=-1) is None


def test_a_forged_address_leads_to_nobody() -> None:
    path = srs().forward("bob@elsewhere.test")
    assert back(path.replace("bob", "eve")) is None
    assert back(path.replace("elsewhere", "another")) is None
    assert srs(secret=b"another").reverse(EmailAddress.parse(path)) is None
    for text in ("SRS0=aaaaaaaa=aa=x.test=a@ours.test", "SRS0=@ours.test", "srs1==@ours.test", "SRS0=a=b@ours.test"):
        assert back(text) is None
    assert back(path.replace("@ours.test", "@theirs.test")) is None


def test_what_another_forwarded_goes_back_through_him() -> None:
    theirs = srs("theirs.test", secret=b"theirs").forward("bob@e.test")
    ours = srs().forward(theirs)
    assert ours.startswith("SRS1=")
    assert back(ours) == theirs
    third = srs("third.test", secret=b"third").forward(ours)
    assert third.startswith("SRS1=")
    assert "ours.test" not in third
    found = srs("third.test", secret=b"third").reverse(EmailAddress.parse(third))
    assert str(found) == theirs


def test_what_is_too_long_or_no_address_gets_the_null_path() -> None:
    assert srs().forward("a" * 60 + "@elsewhere.test") == ""
    assert srs().forward("") == ""
    assert srs().forward('"a b"@elsewhere.test') == ""
