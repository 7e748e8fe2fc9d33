"""What the owner sets down about the account: profile, identities, rules, automatic reply, address book."""

import re
from typing import Any

import msgspec

from domain.decisions.appending import Answer, Appending, MailboxDecision
from domain.events import ContactChanged, IdentityChanged, RulesReplaced, SettingsChanged, VacationSet
from domain.refusals import (
    ContactInvalidError,
    ContactUnknownError,
    IdentityInvalidError,
    IdentityUnknownError,
    RulesInvalidError,
    SettingsInvalidError,
    VacationInvalidError,
)
from domain.rows import DocumentRow, Needs

MAX_JSON_OCTETS = 64 * 1024
NO_RULES = b'{"rules":[]}'
"""What is recorded of an owner's rules who has put none."""
MAX_NAME_CHARS = 500
MAX_TEXT_CHARS = 10_000
MAX_ADDRESS_CHARS = 320
MAX_CONTACT_ADDRESSES = 100
MAX_CONTACTS = 5_000
MAX_IDENTITIES = 100

_ZONE = re.compile(r"[A-Za-z0-9_+\-]{1,40}(/[A-Za-z0-9_+\-]{1,40}){0,2}")
"""The shape of a name in the IANA time zone database."""


class ChangeSettings(MailboxDecision, frozen=True, kw_only=True):
    """The profile becomes this."""

    display_name: str
    signature: str
    time_zone: str

    def needs(self) -> Needs:
        """The profile."""
        return Needs(documents=(("profile", ""),))

    def gather(self, appending: Appending) -> Answer:
        """`SettingsChanged` where anything differs."""
        too_long = len(self.display_name) > MAX_NAME_CHARS or len(self.signature) > MAX_TEXT_CHARS
        if too_long or not _ZONE.fullmatch(self.time_zone):
            raise SettingsInvalidError("the name or signature is too long, or the time zone is no name of one")
        wanted = {"display_name": self.display_name, "signature": self.signature, "time_zone": self.time_zone}
        if not _is_so(appending.rows.document("profile", ""), wanted):
            appending.add(SettingsChanged(**wanted))
        return {}


class ChangeIdentity(MailboxDecision, frozen=True, kw_only=True):
    """Makes (no id), changes or takes away a name and address to send as. Answers its id."""

    identity_id: str | None = None
    name: str = ""
    address: str = ""
    reply_to: str = ""
    signature: str = ""
    removed: bool = False

    def needs(self) -> Needs:
        """The identity; how many there are where one more is made."""
        return _needs("identity", self.identity_id)

    def gather(self, appending: Appending) -> Answer:
        """`IdentityChanged` where anything differs."""
        before = appending.rows.document("identity", self.identity_id) if self.identity_id else None
        if before is None and (self.identity_id or self.removed):
            raise IdentityUnknownError("no such identity")
        if before is None and appending.rows.documents_count("identity") >= MAX_IDENTITIES:
            raise IdentityInvalidError(f"an account has at most {MAX_IDENTITIES} identities")
        identity_id = self.identity_id or appending.context.new_id("i")
        if self.removed:
            appending.add(IdentityChanged(identity_id=identity_id, removed=True))
        elif not _is_so(before, wanted := self._wanted()):
            appending.add(msgspec.convert({"identity_id": identity_id, **wanted}, IdentityChanged))
        return {"id": identity_id}

    def _wanted(self) -> dict[str, str]:
        too_long = len(self.name) > MAX_NAME_CHARS or len(self.signature) > MAX_TEXT_CHARS
        if too_long or not self.address or max(len(self.address), len(self.reply_to)) > MAX_ADDRESS_CHARS:
            raise IdentityInvalidError("an identity has an address, and nothing in it is too long")
        return {
            "name": self.name,
            "address": self.address,
            "reply_to": self.reply_to,
            "signature": self.signature,
        }


class ChangeContact(MailboxDecision, frozen=True, kw_only=True):
    """Makes (no id), changes or takes away an entry of the address book. Answers its id."""

    contact_id: str | None = None
    name: str = ""
    addresses: tuple[str, ...] = ()
    note: str = ""
    removed: bool = False

    def needs(self) -> Needs:
        """The contact; how many there are where one more is made."""
        return _needs("contact", self.contact_id)

    def gather(self, appending: Appending) -> Answer:
        """`ContactChanged` where anything differs."""
        before = appending.rows.document("contact", self.contact_id) if self.contact_id else None
        if before is None and (self.contact_id or self.removed):
            raise ContactUnknownError("no such contact")
        if before is None and appending.rows.documents_count("contact") >= MAX_CONTACTS:
            raise ContactInvalidError(f"an address book has at most {MAX_CONTACTS} entries")
        contact_id = self.contact_id or appending.context.new_id("c")
        if self.removed:
            appending.add(ContactChanged(contact_id=contact_id, removed=True))
            return {"id": contact_id}
        self._require_bounded()
        wanted = {"name": self.name, "addresses": list(self.addresses), "note": self.note}
        if not _is_so(before, wanted):
            appending.add(
                ContactChanged(contact_id=contact_id, name=self.name, addresses=self.addresses, note=self.note)
            )
        return {"id": contact_id}

    def _require_bounded(self) -> None:
        longest = max(map(len, self.addresses), default=0)
        if (
            len(self.name) > MAX_NAME_CHARS
            or len(self.note) > MAX_TEXT_CHARS
            or len(self.addresses) > MAX_CONTACT_ADDRESSES
            or longest > MAX_ADDRESS_CHARS
        ):
            raise ContactInvalidError("something in the contact is too long, or it has too many addresses")


class ReplaceRules(MailboxDecision, frozen=True, kw_only=True):
    """The filter rules become this JSON, at most 64 KiB; the script stays."""

    rules: bytes

    def needs(self) -> Needs:
        """The rules as they are."""
        return Needs(documents=(("rules", ""),))

    def gather(self, appending: Appending) -> Answer:
        """`RulesReplaced` where they differ."""
        if not _is_json(self.rules):
            raise RulesInvalidError("rules are JSON of at most 64 KiB")
        if not _is_same(appending.rows.document("rules", ""), self.rules):
            appending.add(RulesReplaced(rules=msgspec.Raw(self.rules)))
        return {}


class ReplaceScript(MailboxDecision, frozen=True, kw_only=True):
    """The Sieve script becomes this, at most 64 KiB as JSON; empty for none. The rules stay."""

    script: str

    def needs(self) -> Needs:
        """Rules and script as they are."""
        return Needs(documents=(("rules", ""), ("script", "")))

    def gather(self, appending: Appending) -> Answer:
        """`RulesReplaced` where the script differs."""
        body = msgspec.json.encode({"script": self.script})
        if len(body) > MAX_JSON_OCTETS:
            raise RulesInvalidError("a script has at most 64 KiB")
        before = appending.rows.document("script", "")
        if before is None and not self.script:
            return {}
        if not _is_so(before, {"script": self.script}):
            rules = appending.rows.document("rules", "")
            raw = NO_RULES if rules is None else bytes(rules.body)
            appending.add(RulesReplaced(rules=msgspec.Raw(raw), script=self.script))
        return {}


class SetVacation(MailboxDecision, frozen=True, kw_only=True):
    """The automatic reply becomes this JSON, at most 64 KiB."""

    vacation: bytes

    def needs(self) -> Needs:
        """The automatic reply as it is."""
        return Needs(documents=(("vacation", ""),))

    def gather(self, appending: Appending) -> Answer:
        """`VacationSet` where it differs."""
        if not _is_json(self.vacation):
            raise VacationInvalidError("an automatic reply is JSON of at most 64 KiB")
        if not _is_same(appending.rows.document("vacation", ""), self.vacation):
            appending.add(VacationSet(vacation=msgspec.Raw(self.vacation)))
        return {}


def _needs(kind: str, document_id: str | None) -> Needs:
    return Needs(documents=((kind, document_id),)) if document_id else Needs(document_counts=(kind,))


def _is_so(row: DocumentRow | None, wanted: dict[str, Any]) -> bool:
    """Whether the document says all of this already."""
    if row is None:
        return False
    body = msgspec.json.decode(row.body, type=dict[str, Any])
    return all(body.get(name) == value for name, value in wanted.items())


def _is_same(row: DocumentRow | None, body: bytes) -> bool:
    return row is not None and bytes(row.body) == body


def _is_json(body: bytes) -> bool:
    if len(body) > MAX_JSON_OCTETS:
        return False
    try:
        msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True
