"""Whatever is said, each line is answered by replies and nothing is taken without a sign-in."""

import re
import tempfile
from base64 import b64decode
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from gateways.sasl import MECHANISMS, PasswordClaim, ResponseInvalidError
from gateways.submission.sign_in import Dialogue
from tests.gateways.smtp.conftest import FolderReception
from tests.gateways.submission.conftest import ANN, SECRET, Handing, House, encoded, plain

REPLY = re.compile(r"(?:[2-5]\d\d[ -][^\r\n]*\r\n)*")
PIECES = st.sampled_from(
    [
        *("EHLO laptop\r\n", "STARTTLS\r\n", "RSET\r\n", "*\r\n", "\r\n", "=\r\n", "QUIT\r\n", "HELP\r\n"),
        *(f"AUTH {name} " for name in (*MECHANISMS, "NTLM")),
        *("MAIL FROM:<ann@example.test>", "RCPT TO:<bob@example.test>", "DATA\r\n", ".\r\n", "BDAT 3 LAST\r\n", "\0"),
        *(" RET=FULL", " ENVID=+41", " NOTIFY=NEVER", " ORCPT=rfc822;a", " HOLDFOR=5", " HOLDUNTIL=", " AUTH=<>"),
        *(plain(ANN.address, "wrong"), encoded("\0\0\0"), encoded("n,,\x01auth=Bearer x\x01\x01"), "A" * 13_000),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=20)), max_size=25))
def test_nothing_that_is_said_breaks_the_conversation_or_gets_in(said: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        house = House()
        talk = Handing(FolderReception(Path(folder)), house)
        for piece in said:
            assert REPLY.fullmatch(talk.answer(piece.encode(errors="replace")))
        assert house.taken == []


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(sorted(MECHANISMS)), st.lists(st.one_of(st.text(max_size=40), st.binary(max_size=60)), max_size=3)
)
def test_a_mechanism_ends_in_a_claim_or_says_that_there_is_none(name: str, said: list[str | bytes]) -> None:
    dialogue = Dialogue(MECHANISMS[name])
    responses = [one if isinstance(one, str) else encoded(one) for one in said]
    try:
        answered = dialogue.begin(None)
        while isinstance(answered, str) and responses:
            assert b64decode(answered, validate=True).isascii()
            answered = dialogue.answer(responses.pop(0))
    except ResponseInvalidError:
        return
    if isinstance(answered, str):  # it waits for more than was said
        assert len(said) < 2
    elif isinstance(answered, PasswordClaim):
        assert answered.name
        assert answered.password
    else:
        assert answered.token


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 40))
def test_a_sign_in_may_come_in_any_pieces(size: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        talk = Handing(FolderReception(Path(folder)), House())
        whole = f"EHLO laptop\r\nAUTH PLAIN\r\n{plain(ANN.address, SECRET)}\r\n"
        said = "".join(talk.answer(whole[at : at + size]) for at in range(0, len(whole), size))
        assert said.endswith("334 \r\n235 2.7.0 Signed in\r\n")
