"""Sealing and opening, and a message's own key."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.sealing import SealBrokenError, forget_ciphers, message_key, open_sealed, seal

KEY = bytes(range(32))


@given(st.binary(max_size=3000), st.binary(max_size=100), st.binary(min_size=32, max_size=32))
def test_what_was_sealed_opens_to_the_same_bytes(plaintext: bytes, aad: bytes, key: bytes) -> None:
    sealed = seal(key, plaintext, aad)
    assert len(sealed) == len(plaintext) + 28
    assert open_sealed(key, sealed, aad) == plaintext


def test_the_same_bytes_sealed_twice_look_different() -> None:
    assert len({seal(KEY, b"same", b"aad") for _ in range(1000)}) == 1000


def test_bytes_sealed_by_another_program_open() -> None:
    # AES-256-GCM test case 13 of the GCM specification (McGrew, Viega): zero key, zero nonce, nothing inside.
    assert open_sealed(bytes(32), bytes(12) + bytes.fromhex("530f8afbc74536b9a963b4f1c4cb738b"), b"") == b""


def test_one_bit_changed_anywhere_breaks_the_seal() -> None:
    sealed = seal(KEY, b"plain text", b"aad")
    for position in range(len(sealed) * 8):
        changed = bytearray(sealed)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(SealBrokenError):
            open_sealed(KEY, bytes(changed), b"aad")


def test_another_key_or_other_associated_data_do_not_open() -> None:
    sealed = seal(KEY, b"plain text", b"aad")
    with pytest.raises(SealBrokenError):
        open_sealed(os.urandom(32), sealed, b"aad")
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, sealed, b"aae")


@pytest.mark.parametrize("length", [0, 1, 12, 27])
def test_what_is_too_short_is_broken_not_an_accident(length: int) -> None:
    with pytest.raises(SealBrokenError):
        open_sealed(KEY, seal(KEY, b"", b"")[:length], b"")


@pytest.mark.parametrize("length", [0, 16, 24, 31, 33])
def test_only_keys_of_256_bits_are_taken(length: int) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        seal(bytes(length), b"x", b"")


def test_a_messages_key_never_changes() -> None:
    expected = "443dd7629566fbea5390c9d33e4c576f0244b73b985d3cce16dfc765b2e2c567"
    assert message_key(KEY, b"0123456789abcdef").hex() == expected


def test_each_salt_and_each_mailbox_gives_another_key() -> None:
    salts = [bytes([n]) * 16 for n in range(50)] + [bytes(17), bytes(32)]
    keys = {message_key(secret, salt) for secret in (KEY, KEY[::-1]) for salt in salts}
    assert len(keys) == 2 * len(salts)
    assert {len(key) for key in keys} == {32}


def test_a_salt_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="salt"):
        message_key(KEY, bytes(15))


def test_forgetting_the_ciphers_changes_nothing_but_the_memory() -> None:
    sealed = seal(KEY, b"kept", b"")
    forget_ciphers()
    assert open_sealed(KEY, sealed, b"") == b"kept"
