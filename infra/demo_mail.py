"""The demonstration's mail, the same at every call: conversations, a mailing list, newsletters, receipts, spam."""

import random
from collections.abc import Iterator
from typing import NamedTuple

from gateways.mime.compose import AttachedFile, Composition
from gateways.mime.structure import Address
from infra.demo_conversations import CONVERSATIONS, PEOPLE, Conversation
from infra.demo_files import files, picture

SEED = 20_261_122
DAY_MS = 86_400_000
HOUR_MS = 3_600_000
DAYS = 120
"""The oldest mail is so many days older than the newest."""


class Filed(NamedTuple):
    """Where one account has a message: under which label (its path), with which keywords."""

    owner: str
    label: str
    keywords: tuple[str, ...]
    source: str


class DemoMail(NamedTuple):
    """One message, and who has it. `key` tells it from all others."""

    key: str
    composition: Composition
    filed: tuple[Filed, ...]


def demo_mails(addresses: dict[str, str], newest_ms: int) -> Iterator[DemoMail]:
    """All mails, none of them newer than `newest_ms`; `addresses` are those of alice and bob."""
    people = {name: Address(*about) for name, about in PEOPLE.items()}
    people |= {"alice": Address("Alice Arden", addresses["alice"]), "bob": Address("Bob Brandt", addresses["bob"])}
    writing = _Writing(people, newest_ms)
    yield from writing.conversations()
    yield from writing.mailing_list()
    yield from writing.newsletters()
    yield from writing.receipts()
    yield from writing.notices()
    yield from writing.spam()


def demo_draft(addresses: dict[str, str], newest_ms: int) -> DemoMail:
    """What alice has begun to write."""
    composition = Composition(
        from_=(Address("Alice Arden", addresses["alice"]),),
        to=(Address(*PEOPLE["ines"]),),
        subject="The title of my talk",
        text="Dear Inês,\n\nhow about “A mailbox is a log: what\n",
        message_id="draft-1@demo.example.test",
        date_ms=newest_ms - HOUR_MS,
    )
    return DemoMail("draft", composition, (Filed("alice", "DRAFTS", (), "draft"),))


class _Writing:
    def __init__(self, people: dict[str, Address], newest_ms: int) -> None:
        self._people = people
        self._newest_ms = newest_ms
        self._chance = random.Random(SEED)  # noqa: S311 - the same mails every time

    def _some_time(self, days_ago: float) -> int:
        minutes = self._chance.randrange(8 * 60, 20 * 60)
        at = self._newest_ms - int(days_ago * DAY_MS)
        return min(at - at % DAY_MS + minutes * 60_000, self._newest_ms - int(self._chance.random() * HOUR_MS))

    def conversations(self) -> Iterator[DemoMail]:
        """Every conversation, some of them held again months later."""
        for number, conversation in enumerate(CONVERSATIONS):
            for again in range(2):
                began = self._some_time(1 + number * 1.5 + again * (DAYS / 2))
                yield from self._held(f"c{number}-{again}", conversation, began)

    def _held(self, key: str, conversation: Conversation, began_ms: int) -> Iterator[DemoMail]:
        ids: list[str] = []
        at = began_ms
        quoted = ""
        for turn, (who, text) in enumerate(conversation.said):
            at = min(at + self._chance.randrange(HOUR_MS // 4, 5 * HOUR_MS), self._newest_ms)
            composition = Composition(
                from_=(self._people[who],),
                to=tuple(self._people[name] for name in conversation.between if name != who),
                subject=conversation.subject if turn == 0 else f"Re: {conversation.subject}",
                text=f"{text}\n{quoted}",
                message_id=f"{key}-{turn}@demo.example.test",
                date_ms=at,
                in_reply_to=tuple(ids[-1:]),
                references=tuple(ids),
                attachments=files(conversation.attached) if turn == 0 and conversation.attached else (),
            )
            ids.append(composition.message_id)
            quoted = f"\n{self._people[who].name}:\n" + "".join(f"> {line}\n" for line in text.splitlines())
            is_last = turn == len(conversation.said) - 1
            filed = [self._filed(owner, who, conversation.label, at, is_last=is_last) for owner in conversation.between]
            yield DemoMail(f"{key}-{turn}", composition, tuple(one for one in filed if one is not None))

    def _filed(self, owner: str, writer: str, label: str, at: int, *, is_last: bool) -> Filed | None:
        if owner not in ("alice", "bob"):
            return None
        if owner == writer:
            return Filed(owner, "SENT", ("$seen",), "sent")
        recent = self._newest_ms - at < 12 * DAY_MS
        keywords = [] if recent and is_last else ["$seen"]
        if self._chance.random() < 0.12:
            keywords.append("$flagged")
        old = self._newest_ms - at > 40 * DAY_MS
        return Filed(owner, label or ("ARCHIVE" if old else "INBOX"), tuple(keywords), "inbound")

    def _read_unless_new(self, at: int) -> tuple[str, ...]:
        return ("$seen",) if self._newest_ms - at > 8 * DAY_MS else ()

    def mailing_list(self) -> Iterator[DemoMail]:
        """A list on keeping bees, with long threads."""
        writers = list(PEOPLE)
        for thread, (subject, remarks) in enumerate(_BEES):
            ids: list[str] = []
            at = self._some_time(3 + thread * 9)
            for turn in range(9):
                at = min(at + self._chance.randrange(HOUR_MS, 20 * HOUR_MS), self._newest_ms)
                who = self._people[writers[(thread * 5 + turn * 7) % len(writers)]]
                composition = Composition(
                    from_=(who,),
                    to=(Address("Beekeepers", "bees@lists.example.org"),),
                    subject=f"[bees] {subject}" if turn == 0 else f"Re: [bees] {subject}",
                    text=f"{remarks[turn % len(remarks)]}\n\n-- \n{who.name}\n",
                    message_id=f"bees-{thread}-{turn}@demo.example.test",
                    date_ms=at,
                    in_reply_to=tuple(ids[-1:]),
                    references=tuple(ids),
                    headers=(("List-Id", "Beekeepers <bees.lists.example.org>"), ("Precedence", "list")),
                )
                ids.append(composition.message_id)
                filed = Filed("bob", "Lists/Bees", self._read_unless_new(at), "inbound")
                yield DemoMail(f"bees-{thread}-{turn}", composition, (filed,))

    def newsletters(self) -> Iterator[DemoMail]:
        """A weekly newsletter in HTML, with images of its own."""
        for week in range(16):
            at = self._some_time(week * 7 + 0.5)
            topic, lines = _NEWS[week % len(_NEWS)]
            items = "".join(f"<li>{line}</li>" for line in lines)
            image = AttachedFile("header.png", "image/png", picture(week), inline=True, content_id=f"head{week}@demo")
            composition = Composition(
                from_=(Address("The Tidal Letter", "letter@tidal.example.com"),),
                to=(self._people["alice"],),
                subject=f"The Tidal Letter #{240 - week}: {topic}",
                text=f"{topic}\n\n" + "\n".join(f"* {line}" for line in lines),
                html=f'<h1>{topic}</h1><p><img src="cid:head{week}@demo" alt="" width="320"></p><ul>{items}</ul>'
                '<p style="color:#666">You get this letter because you asked for it.</p>',
                message_id=f"letter-{week}@demo.example.test",
                date_ms=at,
                attachments=(image,),
                headers=(("List-Unsubscribe", "<https://tidal.example.com/unsubscribe>"),),
            )
            filed = Filed("alice", "Newsletters", self._read_unless_new(at), "inbound")
            yield DemoMail(f"letter-{week}", composition, (filed,))

    def receipts(self) -> Iterator[DemoMail]:
        """Orders and invoices."""
        for number in range(36):
            owner = "alice" if number % 3 else "bob"
            shop, goods = _SHOPS[number % len(_SHOPS)]
            at = self._some_time(number * 3.2 + 0.3)
            price = self._chance.randrange(390, 24_900)
            composition = Composition(
                from_=(Address(shop, f"orders@{shop.lower().replace(' ', '')}.example.com"),),
                to=(self._people[owner],),
                subject=f"Your order {48_200 + number}: {goods}",
                text=f"Thank you for your order.\n\n{goods}: {price / 100:.2f} EUR\n\nIt leaves our house tomorrow.\n",
                message_id=f"order-{number}@demo.example.test",
                date_ms=at,
                attachments=files("invoice.pdf") if number % 2 else (),
            )
            filed = Filed(owner, "Receipts" if at < self._newest_ms - 9 * DAY_MS else "INBOX", (), "inbound")
            filed = filed._replace(keywords=self._read_unless_new(at))
            yield DemoMail(f"order-{number}", composition, (filed,))

    def notices(self) -> Iterator[DemoMail]:
        """What machines write."""
        for number in range(70):
            owner = ("alice", "bob")[number % 2]
            sender, subject, text = _NOTICES[number % len(_NOTICES)]
            at = self._some_time(number * 1.3)
            composition = Composition(
                from_=(Address(sender, f"no-reply@{sender.lower().replace(' ', '-')}.example.net"),),
                to=(self._people[owner],),
                subject=subject.format(1300 + number),
                text=text.format(1300 + number),
                message_id=f"notice-{number}@demo.example.test",
                date_ms=at,
                headers=(("Auto-Submitted", "auto-generated"),),
            )
            label = "INBOX" if at > self._newest_ms - 20 * DAY_MS else "ARCHIVE"
            yield DemoMail(
                f"notice-{number}", composition, (Filed(owner, label, self._read_unless_new(at), "inbound"),)
            )

    def spam(self) -> Iterator[DemoMail]:
        """What nobody asked for."""
        for number in range(18):
            owner = ("alice", "bob")[number % 2]
            subject, text = _SPAM[number % len(_SPAM)]
            composition = Composition(
                from_=(Address("Winner Office", f"office{number}@prize.example.net"),),
                to=(self._people[owner],),
                subject=f"{subject} {number}",
                text=text,
                message_id=f"prize-{number}@demo.example.test",
                date_ms=self._some_time(number * 1.4),
            )
            yield DemoMail(f"spam-{number}", composition, (Filed(owner, "SPAM", ("$junk",), "inbound"),))


_BEES = (
    (
        "Swarm in the chimney",
        ("They came back last night.", "Smoke from below will only drive them deeper.", "Call Ines."),
    ),
    ("Varroa count in August", ("I counted 14 on the board after three days.", "That is high for this early.")),
    ("Which honey crystallises first?", ("Rape, by far: ten days.", "Acacia stays liquid for a year.", "Ivy!")),
    ("A queen that will not lay", ("Give her a week.", "Mine was simply unmated.", "Unite the hives before October.")),
    ("Wooden or polystyrene hives", ("Wood breathes.", "Polystyrene wintered better here.", "Both, then compare.")),
    ("First pollen of the year", ("Hazel on the 2nd!", "Willow only here.", "Snow still lies in the north.")),
)
_NEWS = (
    (
        "Spring tides",
        ("Why the full moon pulls twice", "A harbour that falls dry", "Reader's photograph: Mont-Saint-Michel"),
    ),
    ("Lighthouses", ("The last keeper of Eddystone", "Fresnel's lens explained", "Map: lights you can visit")),
    ("Charts", ("Soundings by lead and line", "How satellites see the sea floor", "Errata of 1871")),
    ("Storm warnings", ("FitzRoy's telegraph", "Reading a barometer", "What the shipping forecast leaves out")),
)
_SHOPS = (
    ("Paper and Ink", "Fountain pen, blue"),
    ("Green Grocer", "Vegetable box"),
    ("Cycle Works", "Chain and two brake pads"),
    ("Old Books", "Moby-Dick, second hand"),
    ("Lamp Light", "Desk lamp"),
)
_NOTICES = (
    ("Build Server", "Build {} passed", "All 2,481 tests passed in 3 min 12 s. Build {}.\n"),
    ("Build Server", "Build {} failed: test_tides", "1 of 2,481 tests failed: test_tides. Build {}.\n"),
    ("City Library", "Due soon: item {}", "The item {} is due in three days. You can renew it twice.\n"),
    ("Parcel Service", "Parcel {} is on its way", "Your parcel {} arrives tomorrow between 10 and 12.\n"),
    ("Calendar", "Reminder {}: dentist", "Tomorrow at 8:15. Reference {}.\n"),
    ("Electric Company", "Your reading {}", "Thank you, we have noted your reading. Reference {}.\n"),
)
_SPAM = (
    ("YOU HAVE WON!!!", "Congratulations!!! Send your bank details to receive 4,500,000 dollars.\n"),
    ("Cheap watches", "Best replica, no questions, today only.\n"),
    ("Your account will be closed", "Verify your password within 24 hours at http://login.example.net/verify\n"),
)
