"""One attempt, conversation by conversation, with other hosts on real sockets and a DNS of their own."""

from dataclasses import replace

import pytest

from tests.dns_zone import Zone
from tests.gateways.relay.attempts import Attempts
from tests.relay_world import HANGING, MAIL, SHORT
from tests.smtp_sink import Sink


@pytest.mark.parametrize("behaviour", ["drops_at", "hangs_at"])
@pytest.mark.parametrize("where", ["CONNECT", "EHLO", "MAIL", "RCPT", "DATA"])
def test_a_host_that_drops_the_line_or_hangs_before_the_data_gives_way_to_the_next(
    attempts: Attempts, sink: Sink, backup: Sink, where: str, behaviour: str
) -> None:
    attempts.patience = HANGING
    setattr(sink, behaviour, where)
    trip = attempts.to("zoe@far.test")
    assert (len(backup.taken), trip.outcomes[0].status, trip.in_doubt) == (1, "relayed", 0)
    assert sink.taken == []


@pytest.mark.parametrize("behaviour", ["drops_at", "hangs_at"])
def test_a_host_that_is_lost_behind_the_data_may_have_it_and_no_other_gets_it_now(
    attempts: Attempts, sink: Sink, backup: Sink, behaviour: str
) -> None:
    attempts.patience = replace(HANGING, end_s=0.5)
    setattr(sink, behaviour, ".")
    trip = attempts.to("zoe@far.test", "reject-yan@far.test")
    assert (trip.in_doubt, [trip.outcomes[place].status for place in (0, 1)]) == (1, ["deferred", "bounced"])
    assert backup.said == []


@pytest.mark.parametrize(
    ("where", "reply", "status"),
    [
        ("CONNECT", "554 5.3.2 no service", "deferred"),
        ("CONNECT", "421 4.3.2 busy", "deferred"),
        ("EHLO", "421 4.7.0 not you", "deferred"),
        ("MAIL", "550 5.7.1 not from there", "bounced"),
        ("MAIL", "451 4.7.1 later", "deferred"),
        ("MAIL", "552 5.3.4 too large", "bounced"),
        ("RCPT", "550 5.1.1 nobody", "bounced"),
        ("RCPT", "553 5.1.3 no address", "bounced"),
        ("RCPT", "450 4.2.0 greylisted", "deferred"),
        ("RCPT", "452 4.2.2 full", "deferred"),
        ("RCPT", "421 4.7.0 enough", "deferred"),
        ("DATA", "451 4.3.0 later", "deferred"),
        ("DATA", "554 5.5.1 no", "bounced"),
        ("DATA", "250 what", "deferred"),
        (".", "550 5.7.1 spam", "bounced"),
        (".", "451 4.7.1 later", "deferred"),
        (".", "554-5.7.1 line one\r\n554 5.7.1 line two", "bounced"),
    ],
)
@pytest.mark.parametrize("pipelining", [True, False])
def test_each_reply_has_its_outcome(
    attempts: Attempts, sink: Sink, backup: Sink, where: str, reply: str, status: str, *, pipelining: bool
) -> None:
    for one in (sink, backup):
        one.replies[where] = reply
        one.extensions = one.extensions if pipelining else one.extensions[1:]
    trip = attempts.to("zoe@far.test")
    assert trip.outcomes[0].status == status
    assert reply[:3] in trip.outcomes[0].reply
    assert (sink.taken, trip.in_doubt) == ([], 0)
    assert (attempts.told, [one.recipient for one in trip.untold]) == ([], [0])


def test_what_became_somebody_elses_is_not_sent(attempts: Attempts, sink: Sink, backup: Sink) -> None:
    attempts.may_send = False
    trip = attempts.to("zoe@far.test")
    assert (trip.outcomes[0].status, trip.in_doubt) == ("deferred", 0)
    assert (sink.taken, backup.taken) == ([], [])


def test_a_host_that_talks_without_end_is_left(attempts: Attempts, sink: Sink, backup: Sink) -> None:
    for reply in ("250-" + "x" * 10_000, "\r\n".join(["250-x"] * 500), "what is this", "250-a\r\n550 b"):
        sink.replies["EHLO"] = reply
        attempts.to("zoe@far.test")
    assert len(backup.taken) == 4


def test_the_conversation_is_one_pipeline_a_mail(attempts: Attempts, sink: Sink) -> None:
    attempts.to("zoe@far.test", "yan@far.test")
    assert sink.said == [
        "EHLO mx.example.test",
        f"MAIL FROM:<carl@example.test> SIZE={len(MAIL)}",
        "RCPT TO:<zoe@far.test>",
        "RCPT TO:<yan@far.test>",
        "DATA",
        "QUIT",
    ]


def test_where_nobody_is_accepted_in_a_pipeline_the_data_is_ended_at_once(attempts: Attempts, sink: Sink) -> None:
    sink.replies["DATA"] = "354 go on"
    trip = attempts.to("reject-zoe@far.test")
    assert (trip.outcomes[0].status, sink.taken) == ("bounced", [])


def test_no_connection_stays_behind_at_a_host_that_defers(attempts: Attempts, sink: Sink, backup: Sink) -> None:
    sink.replies["RCPT"] = "450 4.2.0 greylisted"
    assert attempts.to("zoe@far.test").outcomes[0].status == "relayed"
    assert (sink.said[-1], len(backup.taken)) == ("QUIT", 1)


def test_a_host_that_is_slow_with_each_of_many_mails_does_not_hold_a_connection_for_all_of_them(
    attempts: Attempts, sink: Sink
) -> None:
    attempts.patience = replace(SHORT, recipients=1, attempt_s=0.5)
    sink.on_taken = lambda _taken: sink.takes_its_time(1.0)
    trip = attempts.to("zoe@far.test", "yan@far.test", "xia@far.test")
    assert [trip.outcomes[place].status for place in range(3)] == ["relayed", "deferred", "deferred"]
    assert len(sink.taken) == 1


@pytest.mark.parametrize("where", ["MAIL", "RCPT"])
def test_a_host_whose_replies_are_out_of_step_has_accepted_nobody(
    attempts: Attempts, sink: Sink, backup: Sink, where: str
) -> None:
    sink.replies[where] = "354 go on"
    assert attempts.to("zoe@far.test").outcomes[0].status == "relayed"
    assert (sink.taken, len(backup.taken)) == ([], 1)


def test_a_host_that_asks_for_more_behind_the_data_has_not_taken_the_mail_for_certain(
    attempts: Attempts, sink: Sink
) -> None:
    sink.replies["."] = "354 go on"
    trip = attempts.to("zoe@far.test")
    assert (trip.outcomes[0].status, trip.in_doubt) == ("deferred", 1)


def test_what_the_only_host_says_of_a_second_mail_is_its_last_word(attempts: Attempts, sink: Sink, zone: Zone) -> None:
    zone.put("far.test", [("MX", (10, "mx.far.test"))])
    first, second = attempts.in_turn(("zoe@far.test",), ("defer-yan@far.test",))
    assert (first.outcomes[0].status, sink.connections) == ("relayed", 1)
    assert (second.outcomes[0].status, second.outcomes[0].reply) == ("deferred", "451 4.3.0 later")
