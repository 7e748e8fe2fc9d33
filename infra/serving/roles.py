"""What each role of the service runs.

A role is a blocking function that works until it is told to stop, and says when it is ready (and where it listens).
"""

import importlib
import threading
from collections.abc import Callable

from infra.composition import Parts
from infra.delivery_parts import DeliveryParts

Ready = Callable[[str], None]
"""Called once by a role that is ready: with the address it listens on, or with nothing to say."""
Role = Callable[[Parts, threading.Event, Ready], None]

_ROLES = {
    "http": "infra.serving.http_door:serve_http",
    "smtp": "infra.serving.mail_doors:serve_smtp",
    "lmtp": "infra.serving.mail_doors:serve_lmtp",
    "submission": "infra.serving.submission_door:serve_submission",
    "delivery": "infra.serving.roles:deliver",
    "sender": "infra.serving.roles:send",
    "timers": "infra.serving.roles:keep_time",
    "follower": "infra.serving.following:follow",
    "operations": "infra.serving.operations_door:serve_operations",
}


def role(name: str) -> Role:
    """The function of a role, its module loaded only now."""
    module, _, function = _ROLES[name].partition(":")
    found: Role = getattr(importlib.import_module(module), function)
    return found


def deliver(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Deliver what was accepted."""
    worker = DeliveryParts(parts).worker()
    ready("")
    worker.run(stop)


def send(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """Hand on what is to be sent."""
    sender = DeliveryParts(parts).sender()
    ready("")
    sender.run(stop)


def keep_time(parts: Parts, stop: threading.Event, ready: Ready) -> None:
    """What happens because time passes."""
    timers = DeliveryParts(parts).timers()
    ready("")
    timers.run(stop)
