"""What events of identities, contacts, settings and limits do."""

from domain import events as e
from projections.in_step.step import Step


def identity_changed(step: Step, event: e.IdentityChanged) -> None:
    """A name and address to send as."""
    if event.removed:
        step.remove_document("identity", event.identity_id)
        return
    body = {"name": event.name, "address": event.address, "reply_to": event.reply_to, "signature": event.signature}
    step.document("identity", event.identity_id, body)


def contact_changed(step: Step, event: e.ContactChanged) -> None:
    """An entry of the address book."""
    if event.removed:
        step.remove_document("contact", event.contact_id)
        return
    body = {"name": event.name, "addresses": event.addresses, "note": event.note}
    step.document("contact", event.contact_id, body)


def rules_replaced(step: Step, event: e.RulesReplaced) -> None:
    """The rules, and the script where it is told."""
    step.document("rules", "", event.rules.copy())
    if isinstance(event.script, str):
        step.document("script", "", {"script": event.script})


def settings_changed(step: Step, event: e.SettingsChanged) -> None:
    """The profile."""
    body = {"display_name": event.display_name, "signature": event.signature, "time_zone": event.time_zone}
    step.document("profile", "", body)


def quota_set(step: Step, event: e.QuotaSet) -> None:
    """How many bytes there is room for."""
    step.rows.mailbox.quota_bytes = event.limit_bytes


def quota_warned(step: Step, event: e.QuotaWarned) -> None:
    """Which level was warned of."""
    step.rows.mailbox.quota_warned = event.level


def sending_restricted(step: Step, event: e.SendingRestricted) -> None:
    """Sending is blocked or halved."""
    step.rows.mailbox.sending_blocked = event.blocked
    step.rows.mailbox.sending_halved = not event.blocked


def sender_flagged(step: Step, event: e.SenderFlagged) -> None:
    """An operator is to look at it."""
    step.document("restriction", "flagged", {"why": event.why, "at": step.at})


def sign_in_demanded(step: Step, event: e.SignInDemanded) -> None:
    """Nothing is sent until the owner signs in."""
    step.document("restriction", "sign_in", {"why": event.why, "at": step.at})


def signed_in(step: Step, event: e.SignedIn) -> None:
    """What was demanded is done, unless only a program came in with a password of its own."""
    if event.protocol == "http":
        step.remove_document("restriction", "sign_in")


def sending_allowed(step: Step, event: e.SendingAllowed) -> None:
    """Sending is free again."""
    step.rows.mailbox.sending_blocked = step.rows.mailbox.sending_halved = False
    step.remove_document("restriction", "flagged")
    step.remove_document("restriction", "sign_in")
    step.remove_document("sending", "spam")
    if event.counted_from:
        step.document("sending", "counted_from", {"at": event.counted_from})


def address_suppressed(step: Step, event: e.AddressSuppressed) -> None:
    """Nothing is sent there."""
    step.document("suppression", event.address, {"why": event.why, "at": step.at})


def suppression_lifted(step: Step, event: e.SuppressionLifted) -> None:
    """It is written to again."""
    step.remove_document("suppression", event.address)


def recipient_unsubscribed(step: Step, event: e.RecipientUnsubscribed) -> None:
    """No bulk mail goes there."""
    step.document("unsubscribed", event.address, {"at": step.at})
