"""BDAT (RFC 3030)."""

import pytest


def test_chunks_are_taken_as_they_are_and_joined(talk, reception):
    wire = b"BDAT 6\r\n.\r\n..\rBDAT 1\r\n\nBDAT 7 LAST\r\n.end\r\n.NOOP\r\n"
    expected = ["250 2.0.0", "250 2.0.0", "250 2.0.0", "250 2.0.0"]
    for cut in range(len(wire) + 1):
        conversation = talk().ready()
        assert conversation.codes(wire[:cut]) + conversation.codes(wire[cut:]) == expected
        [(_envelope, content)] = reception.mails()
        assert content == b".\r\n..\r\n.end\r\n."


def test_a_whole_mail_goes_through_in_one_pipelined_group(talk, reception):
    codes = talk().codes(
        b"EHLO mx\r\nMAIL FROM:<>\r\nRCPT TO:<ann@example.test>\r\nBDAT 4 last\r\nhi\r\nMAIL FROM:<>\r\n"
        b"RCPT TO:<ann@example.test>\r\nBDAT 0\r\nBDAT 0 LAST\r\nQUIT\r\n"
    )

    assert codes == ["250", "250 2.1.0", "250 2.1.5", "250 2.0.0", "250 2.1.0", "250 2.1.5"] + ["250 2.0.0"] * 2 + [
        "221 2.0.0"
    ]
    assert sorted(content for _envelope, content in reception.mails()) == [b"", b"hi\r\n"]


@pytest.mark.parametrize(
    ("before", "code"),
    [(b"", "503 5.5.1"), (b"MAIL FROM:<>\r\n", "503 5.5.1"), (b"MAIL FROM:<>\r\nRCPT TO:<x@y.z>\r\n", "503 5.5.1")],
)
def test_a_chunk_out_of_order_is_read_past_and_refused(talk, before, code):
    conversation = talk()
    conversation.answer(b"EHLO mx\r\n" + before)

    assert conversation.codes(b"BDAT 6\r\nQUIT\r\nNOOP\r\n") == [code, "250 2.0.0"]
    assert conversation.codes(b"BDAT 0 LAST\r\n") == [code]


@pytest.mark.parametrize("argument", ["", "x", "-1", "1.5", "1 FIRST", "1 LAST now", "9" * 21, "٣"])
def test_a_chunk_of_unknown_size_ends_the_connection(talk, argument):
    conversation = talk().ready()

    assert conversation.codes(f"BDAT {argument}\r\nQUIT\r\n") == ["501 5.5.4"]
    assert conversation.closed


def test_a_bad_chunk_ends_the_transaction_and_the_next_chunks_are_refused(talk, reception):
    conversation = talk().ready()

    codes = conversation.codes(b"BDAT 4\r\na\nb\nBDAT 4\r\nhi\r\nBDAT 4 LAST\r\nhi\r\nNOOP\r\n")

    assert codes == ["550 5.6.0", "503 5.5.1", "503 5.5.1", "250 2.0.0"]
    assert reception.mails() == []


@pytest.mark.parametrize("chunk", [b"BDAT 101\r\n", b"BDAT 101 LAST\r\n"])
def test_chunks_above_the_limit_are_read_past_and_refused(talk, reception, chunk):
    conversation = talk(message_bytes=100).ready()

    assert conversation.codes(chunk + b"x" * 101 + b"NOOP\r\n") == ["552 5.3.4", "250 2.0.0"]
    assert reception.mails() == []


def test_a_chunk_without_end_is_not_listened_to_for_ever(talk):
    conversation = talk(message_bytes=1000).ready()
    conversation.answer("BDAT 99999999999999999999\r\n")
    codes = [code for _ in range(30) for code in conversation.codes(b"x" * 100)]

    assert codes == ["552 5.3.4"]
    assert conversation.closed


@pytest.mark.parametrize("command", ["DATA", "RCPT TO:<bea@example.test>", "MAIL FROM:<>"])
def test_between_chunks_only_chunks_go_on(talk, reception, command):
    conversation = talk().ready()

    assert conversation.codes(f"BDAT 2\r\nhi{command}\r\nBDAT 2 LAST\r\n\r\n") == [
        "250 2.0.0",
        "503 5.5.1",
        "250 2.0.0",
    ]
    assert [content for _envelope, content in reception.mails()] == [b"hi\r\n"]


@pytest.mark.parametrize("command", ["RSET", "EHLO again"])
def test_a_reset_between_chunks_forgets_them_in_the_spool_too(talk, reception, command):
    conversation = talk().ready()
    conversation.answer(b"BDAT 100000\r\n" + b"x" * 100_000)
    assert len(reception.leftovers()) == 1

    conversation.answer(command + "\r\n")

    assert reception.leftovers() == []
    assert conversation.codes("BDAT 0 LAST\r\n") == ["503 5.5.1"]


def test_a_mail_of_many_chunks_is_no_flood_of_commands(talk, reception):
    conversation = talk(commands_without_mail=10).ready()

    assert conversation.codes(b"BDAT 1\r\nx" * 50 + b"BDAT 2 LAST\r\n\r\n") == ["250 2.0.0"] * 51
    assert len(reception.mails()) == 1
