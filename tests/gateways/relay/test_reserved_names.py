"""Outside a test world nothing goes to, or leaves from, domains that are nobody's (RFC 2606)."""

from gateways.bounces.kinds import kind_of
from tests.dns_zone import Zone
from tests.relay_world import MAIL, RelayWorld
from tests.smtp_sink import Sink


def test_mail_of_a_domain_for_examples_stays_here_and_its_sender_reads_why(
    world: RelayWorld, sink: Sink, zone: Zone
) -> None:
    zone.put("elsewhere.net", [("MX", (10, "mx.far.test"))])
    world.is_test_world = False
    sent = world.submit("zoe@elsewhere.net")
    world.run()
    ((status, reply),) = world.statuses(sent)
    assert (status, reply[:22]) == ("bounced", "550 5.7.1 example.test")
    assert kind_of(reply) == "soft", "the address itself is as good as it was"
    (notice,) = world.notices()
    assert b"is a name for tests and examples" in notice
    assert (sink.said, zone.asked) == ([], [])
    assert world.is_clean()


def test_nothing_is_sent_to_a_domain_for_examples(world: RelayWorld, sink: Sink, zone: Zone) -> None:
    world.is_test_world = False
    sent = world.submit("zoe@far.test", mail_from="carl@elsewhere.net")
    world.run()
    ((status, reply),) = world.statuses(sent)
    assert (status, reply[:18]) == ("bounced", "550 5.1.2 far.test")
    assert (sink.said, zone.asked) == ([], [])


def test_a_notice_of_a_host_whose_name_is_for_examples_stays_here(world: RelayWorld, sink: Sink, zone: Zone) -> None:
    zone.put("elsewhere.net", [("MX", (10, "mx.far.test"))])
    world.is_test_world = False
    sent = world.submit("zoe@elsewhere.net", raw=MAIL, mail_from="")
    world.run()
    ((status, reply),) = world.statuses(sent)
    assert (status, reply[:25]) == ("bounced", "550 5.7.1 mx.example.test")
    assert (sink.said, zone.asked) == ([], [])
