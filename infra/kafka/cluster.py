"""The brokers, and the clients that speak to them as the settings say."""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kafka
from kafka import errors
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor

from infra.kafka.heard import HEARD
from infra.operator_errors import OperatorError
from infra.settings import Settings

BOOTSTRAP_MS = 5_000
REQUEST_MS = 5_000
SESSION_MS = 15_000
"""How long a member of a group may be silent before others take over what it holds."""
LONGEST_BACKOFF_MS = 1_000

HOPELESS = (
    errors.AuthorizationError,
    errors.IllegalSaslStateError,
    errors.InvalidReplicationFactorError,
    errors.PolicyViolationError,
    errors.SaslAuthenticationFailedError,
    errors.UnsupportedSaslMechanismError,
    errors.UnsupportedVersionError,
)
"""What waiting does not mend."""


class KafkaUnavailableError(ConnectionError):
    """The brokers do not answer, or not with what was asked for: waited out."""


class KafkaCluster:
    """Makes clients; each is its caller's to close. Safe to share between threads."""

    def __init__(self, settings: Settings) -> None:
        self._shared: dict[str, Any] = {
            "bootstrap_servers": list(settings.kafka),
            "client_id": "ledgermail",
            "request_timeout_ms": REQUEST_MS,
            "bootstrap_timeout_ms": BOOTSTRAP_MS,
            "reconnect_backoff_max_ms": LONGEST_BACKOFF_MS,
            **_security(settings),
        }
        self._first: Callable[[], object] | None = None

    def begin_with(self, first: Callable[[], object]) -> None:
        """Before a producer or consumer is made, `first` must have succeeded once."""
        self._first = first

    def producer(self, **changes: Any) -> Any:
        """An idempotent producer whose records count when all replicas in step have them.

        Raises: KafkaUnavailableError.
        """
        self._begin()
        with told_as_unavailable():
            return kafka.KafkaProducer(
                **self._shared,
                metrics_enabled=False,
                acks="all",
                enable_idempotence=True,
                allow_auto_create_topics=False,
                **changes,
            )

    def consumer(self, group: str, **changes: Any) -> Any:
        """A member of a consumer group that rebalances cooperatively and commits when it is told to.

        Raises: KafkaUnavailableError.
        """
        self._begin()
        with told_as_unavailable():
            return kafka.KafkaConsumer(
                **self._shared,
                metrics_enabled=False,
                group_id=group,
                partition_assignment_strategy=[CooperativeStickyAssignor],
                session_timeout_ms=SESSION_MS,
                enable_auto_commit=False,
                auto_offset_reset="earliest",
                allow_auto_create_topics=False,
                **changes,
            )

    def _begin(self) -> None:
        if (first := self._first) is None:
            return
        try:
            first()
        except OperatorError as error:
            raise KafkaUnavailableError(str(error)) from error
        self._first = None

    @contextmanager
    def admin(self) -> Iterator[Any]:
        """A client for topics and offsets; errors within the block are told as outages.

        Raises: KafkaUnavailableError.
        """
        HEARD.reason = ""
        with told_as_unavailable():
            client = kafka.KafkaAdminClient(**self._shared)
            try:
                yield client
            finally:
                client.close()


@contextmanager
def told_as_unavailable() -> Iterator[None]:
    """Kafka's errors as one that everybody waits out; its cause is Kafka's own, its text says what was heard."""
    try:
        yield
    except errors.KafkaError as error:
        heard = f" ({HEARD.reason})" if HEARD.reason else ""
        raise KafkaUnavailableError(f"Kafka: {error}{heard}") from error


def _security(settings: Settings) -> dict[str, Any]:
    over_tls = settings.kafka_tls == "yes"
    signs_in = settings.kafka_sasl is not None
    chosen: dict[str, Any] = {"security_protocol": ("SASL_" if signs_in else "") + ("SSL" if over_tls else "PLAINTEXT")}
    if over_tls:
        chosen["ssl_context"] = _tls(settings)
    if signs_in:
        chosen |= {
            "sasl_mechanism": settings.kafka_sasl,
            "sasl_plain_username": settings.kafka_user,
            "sasl_plain_password": settings.kafka_password,
        }
    return chosen


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca)
        if settings.kafka_cert is not None:
            context.load_cert_chain(settings.kafka_cert, settings.kafka_key)
    except (ssl.SSLError, OSError) as error:
        raise OperatorError(f"the certificates of LEDGERMAIL_KAFKA_… cannot be used: {error}") from error
    return context
