"""What MAIL may ask for at submission: notifications (RFC 3461), a later release (RFC 4865), AUTH (RFC 4954)."""

from dataclasses import dataclass

from domain.times import DAY_MS, unix_ms
from gateways.accounts import Principal
from gateways.smtp import dsn
from gateways.smtp.grammar import ArgumentInvalidError
from gateways.smtp.transaction import Transaction

MAX_HOLD_MS = 366 * DAY_MS
MAX_HOLD_S = MAX_HOLD_MS // 1000
_MAX_HOLD_DIGITS = 9  # RFC 4865 section 5


@dataclass(slots=True)
class SubmissionTransaction(Transaction):
    """A transaction of somebody who signed in. Held for so long, or until then (unix milliseconds), or not at all."""

    principal: Principal | None = None
    hold_for_ms: int | None = None
    hold_until_ms: int | None = None

    def send_at_ms(self, now_ms: int) -> int:
        """When the message leaves; what is past is now."""
        if self.hold_until_ms is not None:
            return max(self.hold_until_ms, now_ms)
        return now_ms + (self.hold_for_ms or 0)

    def _set(self, keyword: str, value: str | None) -> None:
        match keyword:
            case "RET":
                self.ret = dsn.ret(value)
            case "ENVID":
                self.envid = dsn.envid(value)
            case "HOLDFOR" | "HOLDUNTIL":
                self._hold(keyword, value or "")
            case "AUTH":  # RFC 4954 section 5: who else vouches for the sender is nothing to us
                if value != "<>":
                    dsn.xtext(value or "")
            case _:
                Transaction._set(self, keyword, value)

    def _hold(self, keyword: str, value: str) -> None:
        if self.hold_for_ms is not None or self.hold_until_ms is not None:
            raise ArgumentInvalidError("HOLDFOR or HOLDUNTIL, not both (RFC 4865 section 4)")
        if keyword == "HOLDUNTIL":
            self.hold_until_ms = _moment(value)
        elif value.isascii() and value.isdigit() and len(value) <= _MAX_HOLD_DIGITS:
            self.hold_for_ms = int(value) * 1000
        else:
            raise ArgumentInvalidError("HOLDFOR=SECONDS")


def _moment(text: str) -> int:
    try:
        return unix_ms(text)
    except (ValueError, OverflowError):
        raise ArgumentInvalidError("HOLDUNTIL=a date-time of RFC 3339") from None
