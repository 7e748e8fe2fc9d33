"""Validation of an authenticated received chain (RFC 8617 section 5.2): what hosts on the way say they found."""

import asyncio
import re
from dataclasses import dataclass

from gateways.authentication.canonical import RELAXED
from gateways.authentication.dkim import body_failure, signed_octets
from gateways.authentication.dns import DnsTemporaryError, Resolver
from gateways.authentication.evidence import Evidence
from gateways.authentication.header_block import HeaderBlock
from gateways.authentication.public_keys import KeyInvalidError, find_key
from gateways.authentication.signature import (
    MESSAGE,
    SEAL,
    Signature,
    SignatureInvalidError,
    read_signature,
    unsigned,
)

RESULTS = b"arc-authentication-results"
MAX_SETS = 50  # RFC 8617 section 4.2.1
TIMEOUT_S = 20.0
_INSTANCE = re.compile(r"\s*i\s*=\s*(\d{1,3})\s*;", re.ASCII)
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ArcSet:
    """One host's three fields: where they stand, its seal and what it found when the message came to it."""

    instance: int
    results_at: int
    message: Signature
    seal: Signature
    results: str


@dataclass(frozen=True, slots=True)
class ArcResult:
    """none, pass, fail or temperror, and for a pass the sets, the first host's first."""

    result: str
    reason: str = ""
    sets: tuple[ArcSet, ...] = ()

    @property
    def sealers(self) -> tuple[str, ...]:
        """The domains that answer for the sets, the first host's first."""
        return tuple(one.seal.domain for one in self.sets)


class ChainError(Exception):
    """The chain fails."""


async def validate(resolver: Resolver, evidence: Evidence, *, timeout_s: float = TIMEOUT_S) -> ArcResult:
    """What the message's chain comes to; the keys of all seals are asked for side by side."""
    if not any(evidence.header.places.get(kind) for kind in (RESULTS, MESSAGE, SEAL)):
        return ArcResult("none")
    try:
        sets = sets_of(evidence.header)
        failure = body_failure(evidence, sets[-1].message)
        if failure:
            raise ChainError(failure)
        async with asyncio.timeout(timeout_s):
            seals = [_check_seal(resolver, evidence.header, sets[: number + 1]) for number in range(len(sets))]
            await asyncio.gather(_check_message(resolver, evidence, sets[-1]), *seals)
    except (ChainError, SignatureInvalidError, KeyInvalidError) as error:
        return ArcResult("fail", str(error))
    except DnsTemporaryError as error:
        return ArcResult("temperror", str(error))
    except TimeoutError:
        return ArcResult("temperror", "the DNS took too long")
    return ArcResult("pass", sets=tuple(sets))


def sets_of(header: HeaderBlock) -> list[ArcSet]:
    """The sets in the order of their instances, whole and without a gap (section 5.2, steps 1 to 3).

    Raises: ChainError, SignatureInvalidError
    """
    results = _by_instance(header, RESULTS)
    messages = _by_instance(header, MESSAGE)
    seals = _by_instance(header, SEAL)
    if not results.keys() == messages.keys() == seals.keys() == set(range(1, len(seals) + 1)):
        raise ChainError("the sets are not whole")
    return [_set(header, number, results[number], messages[number], seals[number]) for number in sorted(seals)]


def _by_instance(header: HeaderBlock, kind: bytes) -> dict[int, int]:
    places = header.places.get(kind, [])
    if len(places) > MAX_SETS:
        raise ChainError(f"more than {MAX_SETS} sets")
    found = {_instance(header, at, kind): at for at in places}
    if len(found) != len(places):
        raise ChainError("an instance stands there twice")
    return found


def _instance(header: HeaderBlock, at: int, kind: bytes) -> int:
    if kind == RESULTS:
        found = _INSTANCE.match(header.fields[at].partition(b":")[2].decode("utf-8", "replace"))
        number = found[1] if found else ""
    else:
        number = read_signature(header, at, kind).tags.get("i", "")
    if not _NUMBER.fullmatch(number) or not 1 <= int(number) <= MAX_SETS:
        raise ChainError("an instance has no number")
    return int(number)


def _set(header: HeaderBlock, instance: int, results_at: int, message_at: int, seal_at: int) -> ArcSet:
    message, seal = read_signature(header, message_at, MESSAGE), read_signature(header, seal_at, SEAL)
    if seal.tags.get("cv", "").lower() != ("none" if instance == 1 else "pass"):
        raise ChainError(f"the chain had failed at instance {instance}")
    if "h" in seal.tags:
        raise ChainError("a seal names fields")
    if SEAL in message.names:
        raise ChainError("a message signature takes in seals")
    value = header.fields[results_at].partition(b":")[2].decode("utf-8", "replace")
    return ArcSet(instance, results_at, message, seal, value.partition(";")[2])


async def _check_message(resolver: Resolver, evidence: Evidence, last: ArcSet) -> None:
    key = await find_key(resolver, last.message)
    if not key.verifies(last.message.octets, signed_octets(evidence, last.message)):
        raise ChainError("the last message signature does not fit")
    if last.message.body is not None and not evidence.covers_body(last.message.body):
        raise ChainError("a part of the body is not signed")


async def _check_seal(resolver: Resolver, header: HeaderBlock, sets: list[ArcSet]) -> None:
    """The seal of the last of these sets, which covers them all (section 5.1.1)."""
    last = sets[-1].seal
    key = await find_key(resolver, last)
    if not key.verifies(last.octets, sealed_octets(header, sets)):
        raise ChainError(f"the seal of instance {sets[-1].instance} does not fit")


def sealed_octets(header: HeaderBlock, sets: list[ArcSet]) -> bytes:
    """What the seal of the last of these sets signs (section 5.1.1)."""
    fields = []
    for one in sets:
        fields += [header.canonical(at, RELAXED) for at in (one.results_at, one.message.at, one.seal.at)]
    fields[-1] = HeaderBlock(unsigned(header.fields[sets[-1].seal.at])).canonical(0, RELAXED)
    return b"\r\n".join(fields)
