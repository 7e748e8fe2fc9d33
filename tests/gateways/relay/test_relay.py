"""From a submission to other hosts' servers, over real sockets."""

import email
import re

import pytest

from domain.events import SubmissionRecipient
from domain.ids import MailboxId, SubmissionId
from gateways.authentication.dkim_keys import ACTIVE, new_keys
from tests.contracts.queue import Clock
from tests.dns_zone import Zone
from tests.relay_world import MAIL, RelayWorld
from tests.smtp_sink import Sink

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def test_a_mail_arrives_as_it_was_written_and_nothing_is_kept_of_it(world: RelayWorld, sink: Sink) -> None:
    sent = world.submit("zoe@far.test", raw=b"Bcc: secret@example.test\r\n" + MAIL)
    assert world.run() == 1
    (taken,) = sink.taken
    assert (taken.to, taken.content) == (["zoe@far.test"], MAIL)
    assert taken.mail.startswith("MAIL FROM:<carl@example.test> SIZE=")
    assert world.statuses(sent) == [("relayed", "250 2.0.0 taken")]
    assert world.is_clean()
    assert world.heard.outcomes == ["relayed"]


def test_a_mail_is_signed_with_each_of_its_domains_keys(world: RelayWorld, sink: Sink) -> None:
    world.keys.add(new_keys("example.test", label="k1", state=ACTIVE))
    world.submit("zoe@far.test")
    world.run()
    content = sink.taken[0].content
    assert re.findall(rb"DKIM-Signature: v=1; a=([a-z0-9-]+);", content) == [b"ed25519-sha256", b"rsa-sha256"]
    assert content.endswith(MAIL)


def test_what_somebody_else_wrote_in_our_name_and_is_forwarded_does_not_get_our_signature(
    world: RelayWorld, sink: Sink
) -> None:
    world.keys.add(new_keys("example.test", label="k1", state=ACTIVE))
    world.submit("zoe@far.test", stream="forward")
    world.submit("zoe@far.test", stream="vacation")
    world.run()
    signed = {b"DKIM-Signature" in taken.content for taken in sink.taken}
    assert (len(sink.taken), signed) == (2, {True, False})


def test_what_arrived_for_an_address_that_is_elsewhere_does_not_get_our_signature(
    world: RelayWorld, sink: Sink
) -> None:
    world.keys.add(new_keys("example.test", label="k1", state=ACTIVE))
    for source in ("inbound", "notification"):
        world.hand_over("zoe@far.test", source=source)
    world.run()
    assert {b"DKIM-Signature" in taken.content for taken in sink.taken} == {True, False}


def test_recipients_of_one_domain_share_a_transaction_and_those_of_another_do_not_see_them(
    world: RelayWorld, sink: Sink, backup: Sink
) -> None:
    world.submit("zoe@far.test", "yan@far.test", "xia@other.test", "ann@example.test")
    world.run()
    assert [taken.to for taken in sink.taken] == [["zoe@far.test", "yan@far.test"]]
    assert [taken.to for taken in backup.taken] == [["xia@other.test"]]


def test_of_a_hundred_recipients_each_gets_one_copy_and_the_sender_one_notice_of_those_who_fail(
    world: RelayWorld, sink: Sink, backup: Sink, clock: Clock
) -> None:
    there = [f"{kind}-{n}@{domain}" for n in range(50) for kind, domain in _kind(n)]
    sent = world.submit(*there)
    world.run()
    sink.replies["RCPT"] = backup.replies["RCPT"] = "250 2.1.5 ok"
    clock.advance(2 * MINUTE_S)
    world.run()
    taken = [address for one in (*sink.taken, *backup.taken) for address in one.to]
    assert sorted(taken) == sorted(address for address in there if not address.startswith("reject"))
    (notice,) = world.notices()
    failed = re.findall(rb"Final-Recipient: rfc822; (\S+)", notice)
    assert sorted(one.decode() for one in failed) == sorted(one for one in there if one.startswith("reject"))
    assert {status for status, _reply in world.statuses(sent)} == {"relayed", "bounced"}
    assert world.is_clean()


def test_of_recipients_here_and_elsewhere_of_whom_some_fail_the_sender_has_one_notice(
    world: RelayWorld, sink: Sink, backup: Sink
) -> None:
    world.submit(
        "ann@example.test", "nobody@example.test", "zoe@far.test", "reject-yan@far.test", "reject-xia@other.test"
    )
    while world.office.worker().run_due():
        continue
    world.run()
    (notice,) = world.notices()
    failed = re.findall(rb"Final-Recipient: rfc822; (\S+)", notice)
    assert failed == [b"nobody@example.test", b"reject-yan@far.test", b"reject-xia@other.test"]
    assert world.is_clean()


def test_those_elsewhere_are_told_of_when_those_here_are_settled(world: RelayWorld, sink: Sink, clock: Clock) -> None:
    world.submit("nobody@example.test", "reject-yan@far.test")
    world.run(until_none=False)
    assert len(world.notices()) == 0
    clock.advance(61)
    world.run()
    (notice,) = world.notices()
    assert notice.count(b"Final-Recipient:") == 2
    assert world.is_clean()


def test_nobody_waits_long_for_those_here(world: RelayWorld, sink: Sink, clock: Clock) -> None:
    world.submit("nobody@example.test", "reject-yan@far.test")
    world.run(until_none=False)
    clock.advance(11 * MINUTE_S)
    world.run()
    first, second = world.notices()
    assert {one.count(b"Final-Recipient:") for one in (first, second)} == {1}
    assert world.is_clean()


def test_where_only_one_here_fails_it_is_told_once_all_are_settled(world: RelayWorld, sink: Sink, clock: Clock) -> None:
    world.submit("nobody@example.test", "defer-zoe@far.test")
    world.run(until_none=False)
    assert world.notices() == []
    sink.replies["RCPT"] = "250 2.1.5 ok"
    clock.advance(2 * MINUTE_S)
    world.run()
    (notice,) = world.notices()
    assert re.findall(rb"Final-Recipient: rfc822; (\S+)", notice) == [b"nobody@example.test"]
    assert world.is_clean()


def _kind(number: int) -> list[tuple[str, str]]:
    kind = {0: "reject", 1: "defer"}.get(number % 10, "take")
    return [(kind, "far.test"), (kind, "other.test")]


def test_what_is_deferred_goes_to_the_next_host_and_is_tried_again_after_a_minute_then_two(
    world: RelayWorld, sink: Sink, backup: Sink, clock: Clock
) -> None:
    sent = world.submit("defer-zoe@far.test")
    world.run()
    assert [len(one.said) > 0 for one in (sink, backup)] == [True, True]
    ((status, reply),) = world.statuses(sent)
    assert (status, reply) == ("deferred", "451 4.3.0 later")
    assert world.run() == 0
    clock.advance(MINUTE_S)
    assert world.run() == 1
    clock.advance(MINUTE_S)
    assert world.run() == 0
    clock.advance(MINUTE_S)
    sink.replies["RCPT"] = "250 2.1.5 ok"
    assert world.run() == 1
    assert world.statuses(sent) == [("relayed", "250 2.0.0 taken")]
    assert backup.taken == []


def test_after_four_hours_the_sender_is_told_once_and_after_four_days_it_is_given_up(
    world: RelayWorld, clock: Clock
) -> None:
    sent = world.submit("defer-zoe@far.test", "reject-yan@far.test")
    for _ in range(60):
        world.run()
        clock.advance(2 * HOUR_S)
    ((status, reply), _yan) = world.statuses(sent)
    assert (status, reply) == ("bounced", "451 4.4.7 given up after 4 days: 451 4.3.0 later")
    delay, failure = sorted(world.notices(), key=lambda notice: b"Action: failed" in notice)
    assert (b"Action: delayed" in delay, b"reject-yan" in delay) == (True, False)
    assert b"Subject: Delivery of your mail is delayed" in delay
    assert failure.count(b"Action: failed") == 2
    assert world.is_clean()


@pytest.mark.parametrize(
    ("notify", "told"), [(("NEVER",), 0), (("SUCCESS",), 0), (("FAILURE",), 1), (("SUCCESS", "FAILURE"), 1), ((), 1)]
)
def test_a_failure_is_told_where_notify_asks_for_it(world: RelayWorld, notify: tuple[str, ...], told: int) -> None:
    world.submit(SubmissionRecipient("reject-zoe@far.test", notify=notify))
    world.run()
    assert len(world.notices()) == told
    assert world.is_clean()


def test_a_failure_of_a_mail_with_a_null_reverse_path_is_told_to_nobody(world: RelayWorld, sink: Sink) -> None:
    world.submit("reject-zoe@far.test", "yan@far.test", mail_from="")
    world.run()
    assert world.notices() == []
    assert sink.taken[0].mail.startswith("MAIL FROM:<> ")


def test_a_success_is_told_by_us_where_the_host_does_not_know_notifications(world: RelayWorld, sink: Sink) -> None:
    sink.extensions = ("PIPELINING", "8BITMIME")
    world.submit(SubmissionRecipient("zoe@far.test", notify=("SUCCESS",)))
    world.run()
    (notice,) = world.notices()
    assert b"Action: relayed" in notice


def test_what_the_sender_wants_to_be_told_is_passed_on(world: RelayWorld, sink: Sink) -> None:
    world.submit(SubmissionRecipient("zoe@far.test", notify=("SUCCESS", "DELAY"), orcpt="rfc822;zoe@old.test"))
    world.run()
    assert sink.taken[0].recipients == ["RCPT TO:<zoe@far.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;zoe@old.test"]
    assert world.notices() == []


def test_a_line_that_breaks_after_the_data_is_counted_and_the_mail_sent_again(
    world: RelayWorld, sink: Sink, clock: Clock
) -> None:
    sink.drops_at = "."
    sent = world.submit("zoe@far.test")
    world.run()
    assert world.heard.doubts == 1
    assert world.statuses(sent)[0][0] == "deferred"
    assert "it may come twice" in world.statuses(sent)[0][1]
    sink.drops_at = ""
    clock.advance(MINUTE_S)
    world.run()
    assert [one.content for one in sink.taken] == [MAIL, MAIL]


def test_recipients_beyond_what_a_host_takes_at_once_come_in_the_next_transaction(
    world: RelayWorld, sink: Sink
) -> None:
    sink.most_recipients = 2
    world.submit(*(f"u{n}@far.test" for n in range(5)))
    world.run()
    assert [len(one.recipients) for one in sink.taken] == [2, 2, 1]
    assert sink.connections == 1


def test_a_host_that_knows_helo_alone_is_talked_to_like_that(world: RelayWorld, sink: Sink) -> None:
    sink.knows_ehlo = False
    world.submit("zoe@far.test")
    world.run()
    assert "HELO mx.example.test" in sink.said
    assert sink.taken[0].mail == "MAIL FROM:<carl@example.test>"


def test_a_text_of_eight_bits_is_encoded_for_a_host_of_seven_before_it_is_signed(world: RelayWorld, sink: Sink) -> None:
    sink.extensions = ("PIPELINING",)
    raw = (
        MAIL.replace(
            b"\r\n\r\n",
            b'\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset="utf-8"\r\n'
            b"Content-Transfer-Encoding: 8bit\r\n\r\n",
            1,
        )
        + "Grüße\r\n".encode()
    )
    world.submit("zoe@far.test", raw=raw)
    world.run()
    content = sink.taken[0].content
    assert content.isascii()
    message = email.message_from_bytes(content)
    assert message.get_payload(decode=True).decode().endswith("Grüße\r\n")  # type: ignore[union-attr]
    assert "BODY=" not in sink.taken[0].mail


def test_what_cannot_be_made_of_seven_bits_bounces(world: RelayWorld, sink: Sink) -> None:
    sink.extensions = ("PIPELINING",)
    raw = MAIL.replace(
        b"\r\n\r\n",
        b'\r\nMIME-Version: 1.0\r\nContent-Type: multipart/signed; boundary="b"\r\n\r\n'
        b"--b\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xc3\xbc\r\n--b--\r\n",
        1,
    )
    sent = world.submit("zoe@far.test", raw=raw)
    world.run()
    assert world.statuses(sent)[0][1].startswith("554 5.6.3 ")


def test_an_international_address_needs_a_host_that_takes_it(world: RelayWorld, sink: Sink, backup: Sink) -> None:
    backup.extensions = ("PIPELINING", "8BITMIME")
    sent = world.submit("zoë@far.test", "zoë@other.test", "yan@other.test")
    world.run()
    assert "SMTPUTF8" in sink.taken[0].mail
    assert [status for status, _reply in world.statuses(sent)] == ["relayed", "bounced", "relayed"]
    assert world.statuses(sent)[1][1].startswith("553 5.6.7 ")


def test_an_international_header_needs_a_host_that_takes_it(world: RelayWorld, sink: Sink) -> None:
    sink.extensions = ("PIPELINING", "8BITMIME")
    sent = world.submit("zoe@far.test", raw=MAIL.replace(b"Hello", "Grüße".encode()))
    world.run()
    assert world.statuses(sent)[0][1].startswith("554 5.6.7 ")


def test_a_message_larger_than_the_host_takes_bounces_before_it_is_sent(world: RelayWorld, sink: Sink) -> None:
    sink.extensions = ("PIPELINING", "SIZE 100")
    sent = world.submit("zoe@far.test")
    world.run()
    assert world.statuses(sent)[0][1].startswith("552 5.3.4 ")
    assert sink.taken == []


def test_line_ends_that_stand_alone_smuggle_no_second_mail(world: RelayWorld, sink: Sink) -> None:
    for end in (b"\n.\n", b"\n.\r\n", b"\r.\r\n", b"\r\n.\r", b"\r\n.\n", b"\r.\r"):
        raw = MAIL + b"x" + end + b"MAIL FROM:<eve@example.test>\r\nRCPT TO:<zoe@far.test>\r\nDATA\r\n\r\nforged\r\n"
        world.submit("zoe@far.test", raw=raw)
    world.run()
    assert len(sink.taken) == 6
    assert all(one.mail.startswith("MAIL FROM:<carl@") for one in sink.taken)
    assert all(b"MAIL FROM:<eve" in one.content for one in sink.taken)


def test_many_mails_to_one_host_share_few_connections(world: RelayWorld, sink: Sink) -> None:
    for _ in range(30):
        world.submit("zoe@far.test")
    world.run()
    assert len(sink.taken) == 30
    assert sink.connections <= world.pace.most


def test_a_host_that_throttles_gets_fewer_connections_and_in_the_end_all_mail(
    world: RelayWorld, sink: Sink, backup: Sink, clock: Clock
) -> None:
    sink.replies["MAIL"] = ["450 4.7.1 slow down"] * 6
    backup.replies["CONNECT"] = "421 4.7.0 no"
    sent = [world.submit("zoe@far.test") for _ in range(20)]
    for _ in range(4):
        world.run()
        clock.advance(10 * MINUTE_S)
    assert len(sink.taken) == 20
    assert all(world.statuses(one)[0][0] == "relayed" for one in sent)


def test_a_domain_that_takes_no_mail_or_does_not_exist_bounces_at_once(world: RelayWorld, zone: Zone) -> None:
    zone.put("null.test", [("MX", (0, "."))])
    zone.put("bare.test", [("TXT", "nothing")])
    sent = world.submit("a@null.test", "b@nowhere.test", "c@bare.test")
    world.run()
    told = [reply[:10].strip() for _status, reply in world.statuses(sent)]
    assert told == ["556 5.1.10", "550 5.1.2", "550 5.4.4"]


def test_a_domain_without_mail_hosts_is_its_own(world: RelayWorld, zone: Zone, sink: Sink) -> None:
    zone.put("plain.test", [("A", "127.0.0.2")])
    world.submit("zoe@plain.test")
    world.run()
    assert len(sink.taken) == 1


def test_a_dns_that_fails_defers(world: RelayWorld, zone: Zone, clock: Clock, sink: Sink) -> None:
    zone.put("ill.test", [("SERVFAIL", None)])
    sent = world.submit("zoe@ill.test")
    world.run()
    ((status, reply),) = world.statuses(sent)
    assert (status, reply[:9]) == ("deferred", "451 4.4.3")


def test_mail_that_would_come_back_to_us_bounces(world: RelayWorld, zone: Zone) -> None:
    from infra.settings_readers import ListenAddress

    zone.put("named.test", [("MX", (10, "mx.example.test")), ("MX", (20, "mx2.far.test"))])
    zone.put("mx.example.test", [("A", "127.0.0.2")])
    zone.put("addressed.test", [("MX", (10, "elsewhere.test"))])
    zone.put("elsewhere.test", [("A", "127.0.0.9")])
    world.listening = [ListenAddress("127.0.0.9", world.port)]
    sent = world.submit("a@named.test", "b@addressed.test")
    world.run()
    assert [reply[:9] for _status, reply in world.statuses(sent)] == ["554 5.4.6"] * 2


def test_each_recipient_has_a_return_path_of_its_own_where_bounces_are_matched(world: RelayWorld, sink: Sink) -> None:
    class Signed:
        def make(self, mailbox_id: MailboxId, submission_id: SubmissionId, place: int) -> str:
            return f"bounce-{place}@example.test"

    world.returns = Signed()
    world.submit("zoe@far.test", "yan@far.test")
    world.run()
    assert [(one.mail.split(" ")[1], one.to) for one in sink.taken] == [
        ("FROM:<bounce-0@example.test>", ["zoe@far.test"]),
        ("FROM:<bounce-1@example.test>", ["yan@far.test"]),
    ]


def test_a_message_that_cannot_be_read_now_waits_and_holds_up_no_other(
    world: RelayWorld, sink: Sink, clock: Clock
) -> None:
    real = world.letters

    class Broken:
        def read(self, parcel: object) -> object:
            if getattr(parcel, "submission_id", "") == lost:
                raise OSError(5, "Input/output error")
            return real.read(parcel)

    lost = world.submit("zoe@far.test")
    world.submit("yan@far.test")
    world.letters = Broken()
    world.run()
    assert [one.to for one in sink.taken] == [["yan@far.test"]]
    assert world.statuses(lost) == [("deferred", "451 4.3.0 the message cannot be read here at present")]
    world.letters = real
    clock.advance(11 * MINUTE_S)
    world.run()
    assert world.statuses(lost)[0][0] == "relayed"


def test_what_an_erased_mailbox_sent_goes_nowhere(world: RelayWorld, sink: Sink) -> None:
    from domain.decisions import EraseMailbox

    world.submit("zoe@far.test")
    world.office.lane.run(EraseMailbox(mailbox_id=MailboxId("m2"), command_id="erase", why="asked"))
    world.run()
    assert sink.taken == []
    assert world.office.rows("SELECT count(*) FROM relay_schedule") == [(0,)]
