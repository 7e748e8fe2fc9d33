"""Which domains are nobody's (RFC 2606, RFC 6761)."""

import pytest

from domain.reserved_names import is_reserved


@pytest.mark.parametrize(
    "domain",
    ["example.test", "test", "far.TEST", "a.b.invalid", "localhost", "mx.example", "example.com", "a.example.org."],
)
def test_names_for_tests_and_examples_are_reserved_with_all_below_them(domain: str) -> None:
    assert is_reserved(domain)


@pytest.mark.parametrize("domain", ["", "com", "test.com", "example.co.uk", "myexample.com", "localhost.net", "attest"])
def test_other_names_are_not(domain: str) -> None:
    assert not is_reserved(domain)
