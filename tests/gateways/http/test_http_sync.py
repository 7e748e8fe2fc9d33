"""`/sync` in every form, against a running service."""


from tests.http_house import Person, mail


def test_the_stream_begins_with_the_opening_and_has_no_gaps(ann: Person) -> None:
    ann.bring(mail("One"))
    page = ann.get("/v1/sync")
    assert [event["seq"] for event in page["events"]] == list(range(1, page["head"] + 1))
    assert page["events"][0]["type"] == "MailboxOpened"
    assert page["next"] == page["head"]
    assert page["more"] is False
