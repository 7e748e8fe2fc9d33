"""One SMTP session with another host (RFC 5321 section 3.1): greeting, TLS, and mail after mail, pipelined."""

import asyncio
import re
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from gateways.relay.channel import Channel, ChannelBrokenError, connect
from gateways.relay.patience import Patience
from gateways.relay.replies import Reply

_KEYWORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,62}")
_XTEXT = re.compile(r"[!-~]{1,500}")
"""What can stand in a parameter (RFC 3461 section 4); anything else is left out."""
MAX_KEYWORDS = 64
END_OF_DATA = b".\r\n"


class HostFailedError(Exception):
    """The session could not be had or did not last; another host, or the same one later, may be better. The text is
    an SMTP reply, the host's own where it said one."""

    def __init__(self, reply: str, *, is_throttled: bool = False) -> None:
        super().__init__(reply)
        self.is_throttled = is_throttled


class TlsFailedError(HostFailedError):
    """TLS could not be had as it must be; `result` is a type of RFC 8460 section 4.3."""

    def __init__(self, reply: str, result: str) -> None:
        super().__init__(reply)
        self.result = result


@dataclass(frozen=True, slots=True)
class Wanted:
    """One recipient of a transaction: its place, its path and its DSN parameters (RFC 3461 section 4)."""

    place: int
    path: str
    notify: tuple[str, ...] = ()
    orcpt: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One message for some recipients. `content` is given the session's extensions, and answers dot-stuffed lines."""

    return_path: str
    recipients: Sequence[Wanted]
    content: bytes
    size_bytes: int
    is_eight_bit: bool = False
    needs_smtputf8: bool = False
    ret: str | None = None
    envid: str | None = None


@dataclass(slots=True)
class Said:
    """What the host said in a transaction: of each recipient (place), in its last word on it."""

    replies: dict[int, Reply] = field(default_factory=dict)
    broke_after_data: set[int] = field(default_factory=set)
    """The connection was lost between the last dot and its reply: these may have the message."""
    broke: str = ""
    """Why the session is of no more use, if it is."""
    is_throttled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Handshake:
    """How TLS is to be begun: whether it must be, with which context, and what is to be found proven after it."""

    is_needed: bool
    context: ssl.SSLContext | None
    check: Callable[[ssl.SSLObject], None] = lambda _tls: None
    """Raises TlsFailedError where the host has not proven what it must."""


class Session:
    """A host that has greeted us. Made by `open_session`."""

    def __init__(self, channel: Channel, patience: Patience, extensions: Mapping[str, str]) -> None:
        self._channel = channel
        self._patience = patience
        self.extensions = extensions
        self.mails = 0

    @property
    def is_usable(self) -> bool:
        """Whether another mail may be begun: nothing was said unasked, and the limit is not reached."""
        is_fresh = self.mails < self._patience.mails_per_connection
        return is_fresh and not self._channel.is_broken and not self._channel.has_unasked

    @property
    def is_encrypted(self) -> bool:
        """Whether it goes by TLS."""
        return self._channel.tls is not None

    def offers(self, keyword: str) -> bool:
        """Whether the host has the extension."""
        return keyword in self.extensions

    @property
    def largest_bytes(self) -> int:
        """The largest message that the host takes (RFC 1870 section 3); 0 where it says none."""
        given = self.extensions.get("SIZE", "").strip()
        return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else 0

    async def send(self, mail: Transaction, before_end: Callable[[Sequence[int]], Awaitable[bool]]) -> Said:
        """Envelope and content. `before_end` is asked before the last dot, for the recipients that were accepted:
        where it says no the transaction is broken off and nothing was sent.

        Every recipient has a reply, or is among those after whose data the line broke, or the session `broke`.
        """
        said = Said()
        self.mails += 1
        try:
            async with asyncio.timeout(self._patience.transaction_s):
                await self._transact(mail, before_end, said)
        except ChannelBrokenError as error:
            said.broke = str(error)
        except TimeoutError:
            said.broke = "it took too long"
        except BaseException:
            self._channel.close()
            raise
        if said.broke:
            self._channel.close()
        return said

    async def quit(self) -> None:
        """Part (RFC 5321 section 4.1.1.10)."""
        try:
            await self._channel.write(b"QUIT\r\n", self._patience.quit_s)
            await self._channel.reply(self._patience.quit_s)
        except ChannelBrokenError:
            pass
        finally:
            self._channel.close()

    def close(self) -> None:
        """End it without a word."""
        self._channel.close()

    async def _transact(
        self, mail: Transaction, before_end: Callable[[Sequence[int]], Awaitable[bool]], said: Said
    ) -> None:
        accepted = await self._envelope(mail, said)
        if not accepted:
            return
        last = mail.content.endswith(b"\r\n")
        await self._channel.write(mail.content, self._patience.block_s)
        if not await before_end(accepted):
            said.broke = "given to another relay"
            return
        try:
            await self._channel.write(END_OF_DATA if last else b"\r\n" + END_OF_DATA, self._patience.block_s)
            reply = _in_step(await self._channel.reply(self._patience.end_s))
        except (ChannelBrokenError, TimeoutError, asyncio.CancelledError):
            said.broke_after_data.update(accepted)
            raise
        self._note(said, accepted, reply)

    async def _envelope(self, mail: Transaction, said: Said) -> list[int]:
        """The recipients that were accepted, once the host waits for the content; none where it does not."""
        is_pipelined = self.offers("PIPELINING")
        lines = [self._mail_line(mail), *(self._recipient_line(one) for one in mail.recipients), b"DATA\r\n"]
        if is_pipelined:
            await self._channel.write(b"".join(lines), self._patience.block_s)
        sender = _in_step(await self._answer(lines[0], is_pipelined, self._patience.mail_s))
        everybody = [one.place for one in mail.recipients]
        if not sender.is_positive:
            self._note(said, everybody, sender)
            await self._part_from(said, len(lines) - 1 if is_pipelined else 0)
            return []
        accepted = []
        for one, line in zip(mail.recipients, lines[1:-1], strict=True):
            reply = _in_step(await self._answer(line, is_pipelined, self._patience.recipient_s))
            if reply.is_positive:
                accepted.append(one.place)
            else:
                self._note(said, [one.place], reply)
                if reply.code == 421 and not is_pipelined:
                    self._note(said, everybody, reply)
                    return []
        if not accepted and not is_pipelined:
            await self._reset(said)
            return []
        go_ahead = await self._answer(lines[-1], is_pipelined, self._patience.data_s)
        return await self._may_send(go_ahead, accepted, said)

    async def _may_send(self, go_ahead: Reply, accepted: list[int], said: Said) -> list[int]:
        if go_ahead.code != 354:
            positive = go_ahead.is_positive
            self._note(said, accepted, Reply(451, (f"4.5.0 DATA was answered: {go_ahead}",)) if positive else go_ahead)
            await (self._reset(said) if not said.broke else _nothing())
            return []
        if accepted:
            return accepted
        await self._channel.write(END_OF_DATA, self._patience.block_s)  # RFC 2920 section 3.1
        await self._channel.reply(self._patience.end_s)
        return []

    async def _answer(self, line: bytes, is_pipelined: bool, timeout_s: float) -> Reply:
        if not is_pipelined:
            await self._channel.write(line, self._patience.block_s)
        return await self._channel.reply(timeout_s)

    async def _part_from(self, said: Said, left: int) -> None:
        """The rest of a pipeline whose MAIL was refused: its replies are heard out, a 354 is ended with a dot."""
        for _one in range(left):
            reply = await self._channel.reply(self._patience.recipient_s)
            if reply.code == 354:
                await self._channel.write(END_OF_DATA, self._patience.block_s)
                await self._channel.reply(self._patience.end_s)
        if not said.broke and not left:
            await self._reset(said)

    async def _reset(self, said: Said) -> None:
        await self._channel.write(b"RSET\r\n", self._patience.block_s)
        if not (await self._channel.reply(self._patience.mail_s)).is_positive:
            said.broke = "it refused RSET"

    @staticmethod
    def _note(said: Said, places: Sequence[int], reply: Reply) -> None:
        for place in places:
            said.replies.setdefault(place, reply)
        if reply.code == 421:
            said.broke = str(reply)
        said.is_throttled = said.is_throttled or is_throttling(reply)

    def _mail_line(self, mail: Transaction) -> bytes:
        words = [f"MAIL FROM:<{mail.return_path}>"]
        if self.offers("SIZE"):
            words.append(f"SIZE={mail.size_bytes}")
        if mail.is_eight_bit and self.offers("8BITMIME"):
            words.append("BODY=8BITMIME")
        if mail.needs_smtputf8:
            words.append("SMTPUTF8")
        if self.offers("DSN"):
            words += [f"RET={mail.ret}"] if mail.ret in ("FULL", "HDRS") else []
            words += [f"ENVID={mail.envid}"] if mail.envid and _XTEXT.fullmatch(mail.envid) else []
        return _line(words)

    def _recipient_line(self, wanted: Wanted) -> bytes:
        words = [f"RCPT TO:<{wanted.path}>"]
        if self.offers("DSN"):
            words += [f"NOTIFY={','.join(wanted.notify)}"] if wanted.notify else []
            words += [f"ORCPT={wanted.orcpt}"] if wanted.orcpt and _XTEXT.fullmatch(wanted.orcpt) else []
        return _line(words)


async def open_session(
    address: str,
    port: int,
    *,
    host: str,
    hostname: str,
    handshake: Handshake | None,
    patience: Patience,
    source: str | None = None,
) -> Session:
    """A session with the host at the address, to which we say `hostname`; in clear where no `handshake` is given.

    Raises: HostFailedError
    """
    try:
        channel = await connect(address, port, source=source, timeout_s=patience.connect_s)
    except ChannelBrokenError as error:
        raise HostFailedError(f"451 4.4.1 {host} [{address}]: {error}") from error
    try:
        greeting = await channel.reply(patience.greeting_s)
        _require(greeting, f"{host} [{address}]")
        extensions = await _greet(channel, hostname, patience)
        if handshake is not None and ("STARTTLS" in extensions or handshake.is_needed):
            await _secure(channel, host, handshake, patience, is_offered="STARTTLS" in extensions)
            extensions = await _greet(channel, hostname, patience)
    except ChannelBrokenError as error:
        channel.close()
        raise HostFailedError(f"451 4.4.2 {host} [{address}]: {error}") from error
    except BaseException:
        channel.close()
        raise
    return Session(channel, patience, extensions)


async def _greet(channel: Channel, hostname: str, patience: Patience) -> dict[str, str]:
    """What the host offers after EHLO; nothing where it knows HELO alone (RFC 5321 section 3.2)."""
    await channel.write(f"EHLO {hostname}\r\n".encode(), patience.block_s)
    reply = await channel.reply(patience.greeting_s)
    if reply.is_positive:
        return _extensions(reply)
    if not reply.is_permanent:
        _require(reply, "EHLO")
    await channel.write(f"HELO {hostname}\r\n".encode(), patience.block_s)
    _require(await channel.reply(patience.greeting_s), "HELO")
    return {}


def _extensions(reply: Reply) -> dict[str, str]:
    found = {}
    for line in reply.lines[1 : MAX_KEYWORDS + 1]:
        keyword, _space, rest = line.strip().partition(" ")
        if _KEYWORD.fullmatch(keyword):
            found[keyword.upper()] = rest
    return found


async def _secure(channel: Channel, host: str, handshake: Handshake, patience: Patience, *, is_offered: bool) -> None:
    if not is_offered:
        raise TlsFailedError(f"451 4.7.5 {host} offers no STARTTLS", "starttls-not-supported")
    await channel.write(b"STARTTLS\r\n", patience.block_s)
    reply = await channel.reply(patience.greeting_s)
    if reply.code != 220:
        raise TlsFailedError(f"451 4.7.5 {host} refuses STARTTLS: {reply}", "starttls-not-supported")
    assert handshake.context is not None
    try:
        await channel.start_tls(handshake.context, host, patience.handshake_s)
    except ssl.SSLCertVerificationError as error:
        raise TlsFailedError(f"451 4.7.5 {host}: {error.verify_message}", _certificate_result(error)) from error
    except (ssl.SSLError, OSError, TimeoutError, ChannelBrokenError, ValueError) as error:
        raise TlsFailedError(f"451 4.7.5 {host}: no TLS: {error}", "validation-failure") from error
    tls = channel.tls
    assert tls is not None
    handshake.check(tls)


def _certificate_result(error: ssl.SSLCertVerificationError) -> str:
    """By the numbers of OpenSSL's X509_verify_cert_error_string."""
    return {10: "certificate-expired", 62: "certificate-host-mismatch", 64: "certificate-host-mismatch"}.get(
        error.verify_code, "certificate-not-trusted"
    )


def _require(reply: Reply, of: str) -> None:
    """A host that refuses the session, with a 5yz too, is one of several (RFC 5321 section 4.2.4.3, 5.1)."""
    if not reply.is_positive:
        said = str(reply) if not reply.is_permanent else f"451 4.3.2 {of} refuses the session: {reply}"
        raise HostFailedError(said, is_throttled=is_throttling(reply))


def _in_step(reply: Reply) -> Reply:
    """The reply where it can be one to what was said; 3yz asks for more, which only DATA offers.

    Raises: ChannelBrokenError
    """
    if 300 <= reply.code < 400:
        raise ChannelBrokenError(f"its replies are out of step: {reply}")
    return reply


def is_throttling(reply: Reply) -> bool:
    """Whether the host asks for less: 421, or a 45z that speaks of policy or limits (RFC 3463 4.7.x, 4.3.2, 4.4.5)."""
    if reply.code == 421:
        return True
    text = reply.lines[0]
    return reply.code in (450, 451, 452) and text.startswith(("4.7.", "4.3.2", "4.4.5", "4.5.3"))


def _line(words: Sequence[str]) -> bytes:
    line = " ".join(words)
    if any(ord(character) < 32 or ord(character) == 127 for character in line):
        raise ValueError("a command holds a control character")
    return line.encode() + b"\r\n"


async def _nothing() -> None:
    return
