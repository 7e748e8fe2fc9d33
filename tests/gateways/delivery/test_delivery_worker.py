"""From the 250 into the mailbox."""

from tests.post_office import MAIL, PostOffice


def test_what_was_accepted_is_in_the_inbox_of_its_recipient(office: PostOffice) -> None:
    raw = MAIL % b"1"
    envelope = office.accept(raw, "ann@example.test")
    assert office.worker().run_due() == 1
    (message,) = office.inbox("m1")
    assert message["subject"] == "Hello"
    assert office.blobs.read(message["blob"]) == raw
    assert office.rows("SELECT count(*) FROM queue_records") == [(0,)]
    assert office.rows("SELECT holder FROM blob_references") == [(f"mailbox:m1:{message['id']}",)]
    assert envelope.acceptance_id in message["blob"]
