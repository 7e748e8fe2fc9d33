"""The public form of an event, as `/sync` shows it: sections joined as bytes, never decoded and encoded again."""

from domain.events import BY_TOPIC
from domain.times import rfc3339


def public_event(
    seq: int, topic: str, recorded_at: int, *, structure: bytes | None, personal: bytes, redacted: bool
) -> bytes:
    """`{"seq", "type", "at", "data"}` as JSON. `structure` null: the mailbox's key is gone and `data` is `{}`."""
    kind = topic.partition(".")[0]
    head = b'{"seq":%d,"type":"%b","at":"%b","data":' % (seq, kind.encode(), rfc3339(recorded_at).encode())
    data = b"{}" if structure is None else public_data(topic, seq, structure, personal)
    return head + data + (b',"redacted":true}' if redacted or structure is None else b"}")


def public_data(topic: str, seq: int, structure: bytes, personal: bytes) -> bytes:
    """The `data` member: the structure with the personal members in it, and the message's `seq` where there is one."""
    event_type = BY_TOPIC.get(topic)
    members = b"," + personal[1:-1] if len(personal) > 2 else b""
    if event_type is not None and event_type.PUBLIC_KEY is not None:
        return b'%b%b,"seq":%d}}' % (structure[:-2], members, seq)
    if structure == b"{}":
        return b"{" + members[1:] + b"}"
    return structure[:-1] + members + b"}"
