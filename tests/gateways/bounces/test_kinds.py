"""Hard or soft, by what servers say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateways.bounces.kinds import codes_of, kind_of


@pytest.mark.parametrize(
    "said",
    [
        "550 5.1.1 <bob@example.net>... User unknown",
        "550 5.1.1 The email account that you tried to reach does not exist. Please try double-checking",
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup",
        "550 5.4.1 [bob@example.net]: Recipient address rejected: Access denied",
        "554 delivery error: dd This user doesn't have a yahoo.com account (bob@yahoo.com) [0]",
        "550 Requested action not taken: mailbox unavailable",
        "550 #5.1.0 Address rejected: no such user",
        "sorry, no mailbox here by that name. (#5.1.1)",
        "5.1.2 Host unknown (Name server: example.invalid: host not found)",
        "Domain example.invalid has no MX: an MX or SRV record indicated no SMTP service",
        "556 5.1.10 Recipient address has null MX",
        "551 5.1.6 User has moved to another server",
        "450 4.1.1 <bob@example.net>: Recipient address rejected: User unknown in virtual alias table",
        "550 5.1.1",
    ],
)
def test_an_address_that_never_takes_mail_is_hard(said: str) -> None:
    assert kind_of(said) == "hard"


@pytest.mark.parametrize(
    "said",
    [
        "552 5.2.2 <bob@example.net>: Mailbox full",
        "550 5.1.1 user is over quota",
        "452 4.2.2 The email account that you tried to reach is over quota",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org",
        "550 5.7.26 This message does not pass authentication checks (SPF and DKIM both do not pass)",
        "550 5.7.1 Message contains spam or virus",
        "553 5.1.8 <ann@example.org>... Domain of sender address does not exist",
        "421 4.7.0 Try again later, closing connection",
        "552 5.3.4 Message size exceeds fixed limit",
        "550 5.2.1 The account is disabled",
        "Host or domain name not found. Name service error for name=example.net type=MX: Host not found, try again",
        "connect to mx.example.net[192.0.2.1]:25: Connection timed out",
        "554 5.4.6 Too many hops",
        "550 4.4.7 queue expired",
        "procmail: Couldn't create /var/mail/bob: No such user",
        "SMTP error from remote server after end of data: 550 user unknown",
        "",
        "550",
    ],
)
def test_what_says_nothing_lasting_of_the_address_is_soft(said: str) -> None:
    assert kind_of(said) == "soft"


def test_the_status_that_says_most_is_taken() -> None:
    assert codes_of("5.1.0 - other 550-'5.7.1 denied'") == ("5.7.1", "550")
    assert codes_of("5.0.0 then 5.2.0") == ("5.2.0", "")
    assert codes_of("host 10.5.1.1 said 192.0.2.1") == ("", "")


@given(st.text(max_size=5000))
def test_any_text_has_a_kind(text: str) -> None:
    assert kind_of(text) in ("hard", "soft")
