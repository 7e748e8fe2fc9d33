"""The bounds on one connection, and on all of them."""

import time

import pytest

from gateways.reception import Verdict
from gateways.smtp.actions import Close, Drain, Pause, Send
from gateways.smtp.admission import Admission, OwnRate, source_of
from gateways.smtp.client import Client
from gateways.smtp.conversation import Conversation
from gateways.smtp.records import HALF_LIFE_S, LEAST, MOST_SOURCES, Records


def test_a_hundred_recipients_are_taken_and_the_next_may_come_with_another_mail(talk):
    """RFC 5321 section 4.5.3.1.8 and 4.5.3.1.10."""
    conversation = talk().ready(" ".join(f"u{number}" for number in range(100)))

    assert conversation.codes("RCPT TO:<late@example.test>\r\nDATA\r\nhi\r\n.\r\n") == ["452 4.5.3", "354", "250 2.0.0"]


def test_the_twentieth_error_ends_the_connection(talk):
    conversation = talk()

    codes = conversation.codes("NONSENSE\r\n" * 30)

    assert codes == ["500 5.5.1"] * 20 + ["421 4.7.0"]
    assert conversation.closed


def test_trying_out_names_ends_the_connection(talk):
    conversation = talk(refused_recipients=5).ready()

    codes = conversation.codes("RCPT TO:<nobody@example.test>\r\n" * 9)

    assert codes == ["550 5.1.1"] * 5 + ["421 4.7.0"]


def test_who_goes_on_trying_out_names_is_answered_later_each_time_and_never_too_late(talk):
    conversation = (
        talk(free_refused_recipients=2, refusal_pause_s=1.0, longest_refusal_pause_s=3.0).ready().conversation
    )
    pauses = []
    for _ in range(6):
        actions = conversation.receive(b"RCPT TO:<nobody@example.test>\r\n")
        while not any(isinstance(action, Send) for action in actions):
            pauses += [action.seconds for action in actions if isinstance(action, Pause)]
            actions = conversation.resume(Verdict.UNKNOWN_MAILBOX)

    assert pauses == [1.0, 2.0, 3.0, 3.0]


def test_an_address_of_which_nearly_everything_is_refused_gets_fewer_connections_until_that_has_faded():
    records = Records()
    admission = Admission(connections=100, connections_per_address=20, rate=OwnRate(100), records=records)
    records.add("8.8.4.9", bad=int(LEAST), now_s=0.0)

    assert admission.admits("8.8.4.9", now_s=0.0)
    assert not admission.admits("8.8.4.9", now_s=0.0)
    assert admission.admits("8.8.4.10", now_s=0.0)
    assert admission.admits("8.8.4.9", now_s=HALF_LIFE_S)


def test_who_brings_mail_beside_what_is_refused_has_no_bad_record_nor_has_an_address_of_our_own():
    records = Records()
    records.add("8.8.4.9", good=10, bad=30, now_s=0.0)
    records.add("127.0.0.1", bad=1000, now_s=0.0)

    assert not records.is_bad("8.8.4.9", now_s=0.0)
    assert not records.is_bad("127.0.0.1", now_s=0.0)


def test_records_of_a_crowd_keep_the_worst():
    records = Records()
    records.add("8.8.5.1", bad=50, now_s=0.0)
    for number in range(2 * MOST_SOURCES + 1):
        records.add(f"2a00:{number >> 16:x}:{number & 65535:x}::/64", bad=1, now_s=0.0)

    assert records.is_bad("8.8.5.1", now_s=0.0)


def test_too_many_commands_without_mail_end_the_connection_and_mail_begins_the_count_anew(talk):
    conversation = talk(commands_without_mail=10).ready()
    assert conversation.codes("NOOP\r\n" * 5 + "DATA\r\nhi\r\n.\r\n")[-1] == "250 2.0.0"

    assert conversation.codes("NOOP\r\n" * 12) == ["250 2.0.0"] * 10 + ["421 4.7.0"]


def test_a_connection_carries_only_so_many_mails(talk):
    conversation = talk(transactions=2)
    conversation.answer("EHLO mx\r\n")

    assert conversation.codes("MAIL FROM:<>\r\nRSET\r\n" * 3)[-1] == "421 4.7.0"


def test_a_line_without_end_is_refused_once_and_not_kept(talk):
    conversation = talk()
    codes = [code for _ in range(1000) for code in conversation.codes("x" * 1000)]

    assert codes == ["500 5.5.2"]
    assert len(conversation.conversation.input) == 0
    assert conversation.codes("x\r\nNOOP\r\n") == ["250 2.0.0"]


@pytest.mark.parametrize(
    "argument",
    [
        "<" + '"a' * 1000,
        "<" + '"\\' * 900,
        "<" + "@a," * 600 + ":x@y>",
        "<" + "@a" * 900 + ">",
        "<" + "a." * 900 + "@x>",
        "<a@" + "-" * 1900 + ">",
        "<a@" + "a-" * 900 + ">",
        "<a@b> " + "A=B " * 450,
        "<a@b> " + "A" * 1900,
        "<a@" + "ü." * 600 + ">",
    ],
)
def test_nasty_arguments_are_refused_in_no_time(talk, argument):
    conversation = talk()
    conversation.answer("EHLO mx\r\n")
    began = time.process_time()
    code = conversation.codes(f"MAIL FROM:{argument}\r\n")

    assert code[0][0] == "5"
    assert time.process_time() - began < 0.1


def test_a_flood_of_pipelined_commands_waits_for_its_replies_to_be_read(smtp_host):
    conversation = Conversation(smtp_host(), client=Client("192.0.2.7"))
    conversation.greet()

    send, drain = conversation.receive(b"HELP\r\n" * 900)

    assert isinstance(send, Send)
    assert len(send.data) < 17_000
    assert drain == Drain()
    assert conversation.is_waiting


def test_who_talks_before_the_greeting_is_refused(smtp_host):
    """RFC 5321 section 4.3.1."""
    conversation = Conversation(smtp_host(), client=Client("192.0.2.7"))

    assert conversation.receive(b"EHLO bot\r\n") == [Send(b"554 5.5.1 You spoke before the greeting\r\n"), Close()]
    assert conversation.receive(b"EHLO bot\r\n") == []


def test_a_stopping_server_ends_idle_conversations_at_once_and_others_after_their_message(talk, reception):
    """RFC 5321 section 3.8."""
    idle, busy = talk(), talk().ready()
    busy.answer("DATA\r\nhalf\r\n")

    assert b"421 4.3.2" in idle._perform(idle.conversation.shut_down())
    assert busy._perform(busy.conversation.shut_down()) == b""
    assert idle.closed
    assert busy.codes("whole\r\n.\r\nNOOP\r\n") == ["250 2.0.0", "421 4.3.2"]
    assert len(reception.mails()) == 1


def admission(**bounds: int) -> Admission:
    return Admission(**{"connections": 1000, "connections_per_address": 100, **bounds}, rate=OwnRate(100))


def test_an_address_may_open_so_many_connections_in_a_second():
    door = admission(connections_per_address=1000)

    assert [door.admits("192.0.2.1", now_s=7.0 + number / 200) for number in range(101)] == [True] * 100 + [False]
    assert door.admits("192.0.2.2", now_s=7.9)
    assert door.admits("192.0.2.1", now_s=8.0)


def test_an_address_may_hold_so_many_connections_and_all_together_so_many():
    door = admission(connections=3, connections_per_address=2)

    assert [door.admits(source, now_s=1.0) for source in "aaabb"] == [True, True, False, True, False]
    door.release("a")
    assert door.admits("b", now_s=1.0)


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_connections_are_counted_by_address_and_for_ipv6_by_network(address, source):
    assert source_of(address) == source
