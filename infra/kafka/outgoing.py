"""`outgoing_emails`, keyed by domain: what is due to leave."""

import logging
import threading
from collections.abc import Sequence

import msgspec

from gateways.outgoing import DueMail, OutgoingUnavailableError
from infra.kafka.in_hand import Taken
from infra.kafka.member import GroupMember
from infra.kafka.publisher import Publisher

PATIENCE_S = 5.0
_log = logging.getLogger(__name__)


class KafkaOutgoing:
    """The port `gateways.outgoing.OutgoingMail`; see there."""

    def __init__(self, *, topic: str, publisher: Publisher, member: GroupMember) -> None:
        self._topic = topic
        self._publisher = publisher
        self._member = member
        self._lock = threading.Lock()
        self._taken: dict[DueMail, list[Taken]] = {}

    def put_all(self, due: Sequence[DueMail]) -> None:
        """Durable by one flush; where it raises some may be there."""
        try:
            self._publisher.publish(self._topic, [(one.domain, msgspec.msgpack.encode(one)) for one in due])
        except ConnectionError as error:
            raise OutgoingUnavailableError(str(error)) from error

    def take(self, *, limit: int) -> Sequence[DueMail]:
        """Those of the partitions that are ours; one that is in hand already is settled together with itself."""
        with self._lock:
            try:
                self._member.commit()
                came = self._member.fetch(most=limit, patience_s=PATIENCE_S)
            except ConnectionError as error:
                raise OutgoingUnavailableError(str(error)) from error
            self._member.trim_now_and_then()
            return [due for taken in came if (due := self._in_hand(taken)) is not None]

    def done(self, finished: Sequence[DueMail]) -> None:
        """Committed up to the first that is not done."""
        with self._lock:
            for due in finished:
                self._member.settle(self._taken.pop(due, ()))
            self._member.commit()

    def close(self) -> None:
        """Commit, and leave the group."""
        with self._lock:
            self._member.close()

    def _in_hand(self, taken: Taken) -> DueMail | None:
        """What is to be worked on now. What cannot be read stops nobody: the schedule makes it due again."""
        try:
            due = msgspec.msgpack.decode(taken.value or b"", type=DueMail)
        except msgspec.DecodeError as error:
            _log.error("outgoing: partition %d at %d cannot be read: %s", taken.partition, taken.offset, error)
            self._member.settle([taken])
            return None
        copies = self._taken.setdefault(due, [])
        copies.append(taken)
        return due if len(copies) == 1 else None
