"""DKIM verification (RFC 6376 section 6): who answers for a message, by a signature that still fits it."""

import asyncio
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateways.authentication.dns import DnsTemporaryError, Resolver
from gateways.authentication.evidence import Evidence
from gateways.authentication.public_keys import KeyInvalidError, find_key
from gateways.authentication.signature import Signature, SignatureInvalidError, unsigned

TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class DkimResult:
    """Of one signature: pass, fail, policy, temperror or permerror (RFC 8601 section 2.7.1), and why."""

    result: str
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    signature: str = ""
    """How its b= begins, which tells it from others of the same domain (RFC 8601 section 2.7.1, RFC 6008)."""
    reason: str = ""


async def verify(
    resolver: Resolver,
    evidence: Evidence,
    *,
    now_s: Callable[[], float] = time.time,
    timeout_s: float = TIMEOUT_S,
) -> list[DkimResult]:
    """What each signature of the message comes to, the topmost first; their keys are asked for side by side."""
    checks = [_check(resolver, evidence, signature, now_s(), timeout_s) for signature in evidence.signatures]
    if len(checks) == 1:
        return [await checks[0]]
    return list(await asyncio.gather(*checks))


async def _check(
    resolver: Resolver,
    evidence: Evidence,
    signature: Signature | SignatureInvalidError,
    now_s: float,
    timeout_s: float,
) -> DkimResult:
    if isinstance(signature, SignatureInvalidError):
        return DkimResult("permerror", reason=str(signature))
    try:
        async with asyncio.timeout(timeout_s):
            result, reason = await _verified(resolver, evidence, signature, now_s)
    except TimeoutError:
        result, reason = "temperror", "the DNS took too long"
    except DnsTemporaryError as error:
        result, reason = "temperror", str(error)
    except KeyInvalidError as error:
        result, reason = "permerror", str(error)
    return DkimResult(
        result,
        signature.domain,
        signature.selector,
        signature.identity,
        signature.tags["a"].lower(),
        "".join(signature.tags["b"].split())[:8],
        reason,
    )


async def _verified(resolver: Resolver, evidence: Evidence, signature: Signature, now_s: float) -> tuple[str, str]:
    """The cheap questions first: a forged body asks nobody's DNS for a key."""
    if signature.expires_at is not None and signature.expires_at < now_s:
        return "fail", "the signature has expired"
    failure = body_failure(evidence, signature)
    if failure:
        return "fail", failure
    key = await find_key(resolver, signature)
    if not key.verifies(signature.octets, signed_octets(evidence, signature)):
        return "fail", "the signature does not fit"
    if signature.body is not None and not evidence.covers_body(signature.body):
        return "policy", "a part of the body is not signed"
    return "pass", ""


def body_failure(evidence: Evidence, signature: Signature) -> str:
    """Why the body is not the one that was signed; empty where it is."""
    if not evidence.header.is_whole:
        return "the header is too long"
    digest = None if signature.body is None else evidence.body_hash(signature.body)
    if digest is None:
        return "the body is shorter than what was signed"
    return "" if hmac.compare_digest(digest, signature.body_hash) else "the body was altered"


def signed_octets(evidence: Evidence, signature: Signature) -> bytes:
    """What the signature signs (RFC 6376 section 3.7): the fields that it names, and itself less its value."""
    header, form = evidence.header, signature.header_form
    fields = header.selected(signature.names, form, without=signature.at)
    itself = type(header)(unsigned(header.fields[signature.at])).canonical(0, form)
    return b"\r\n".join([*fields, itself])
