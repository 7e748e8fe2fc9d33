"""Rules that need no training: what honest mail seldom does, each with the reason that its reader is told.

Points are odds on a logarithmic scale, by how seldom honest mail does it; some speak for a message. No rule
alone makes a message spam.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateways.spam import header_tests, html_tests, link_tests, part_tests, text_tests
from gateways.spam.letter import Letter


@dataclass(frozen=True, slots=True)
class Rule:
    """A test by its short name; `reason` is a sentence about the message."""

    name: str
    points: float
    reason: str
    test: Callable[[Letter], bool]


RULES: Sequence[Rule] = (
    # The header
    Rule("no_sender", 1.5, "It does not say who wrote it.", header_tests.has_no_sender),
    Rule("two_senders", 1.5, "Its header names the sender more than once.", header_tests.repeats_a_field),
    Rule("no_message_id", 1.2, "It bears no Message-ID.", header_tests.has_no_message_id),
    Rule("no_date", 1.0, "It bears no date that can be read.", header_tests.has_no_date),
    Rule("no_recipient", 0.8, "It names no recipient.", header_tests.names_no_recipient),
    Rule("address_as_name", 1.2, "Its sender's name is another one's address.", header_tests.shows_another_address),
    Rule("numbered_sender", 0.6, "Its sender's address is mostly digits.", header_tests.has_numbered_sender),
    Rule("answers_elsewhere", 0.5, "Answers go to another domain.", header_tests.answers_go_elsewhere),
    Rule("raw_letters", 0.9, "Its header holds letters that no header may.", header_tests.has_raw_letters),
    Rule("shouting_subject", 0.8, "Its subject is all capitals.", header_tests.shouts),
    Rule("urgent_subject", 0.7, "Its subject is full of exclamation or money marks.", header_tests.has_excited_subject),
    Rule("tagged_subject", 1.0, "Its subject ends in letters that mean nothing.", header_tests.has_tagged_subject),
    Rule("empty_subject", 0.3, "It has no subject.", header_tests.has_no_subject),
    Rule("is_answer", -0.8, "It answers another message.", header_tests.is_answer),
    Rule("is_of_list", -0.4, "It comes from a mailing list.", header_tests.is_of_list),
    # How it is built
    Rule("only_html", 0.5, "It is HTML without plain text.", part_tests.is_only_html),
    Rule("broken_parts", 0.8, "Its parts are not put together as they should be.", part_tests.is_badly_joined),
    Rule("hidden_encoding", 1.2, "Its plain text is encoded as if it were none.", part_tests.encodes_plain_text),
    Rule("program", 2.0, "A program is attached to it.", part_tests.holds_program),
    Rule(
        "disguised_program", 1.0, "A program attached to it bears the name of a document.", part_tests.disguises_program
    ),
    # What it shows
    Rule("hidden_text", 1.0, "It holds text that is not to be seen.", html_tests.hides_text),
    Rule("split_words", 1.2, "Words in it are cut up by invisible marks.", html_tests.splits_words),
    Rule("only_pictures", 0.8, "It is a picture and next to no text.", html_tests.is_only_pictures),
    Rule("script", 0.8, "It holds a script.", html_tests.holds_script),
    Rule("form", 0.8, "It asks for something to be filled in.", html_tests.holds_form),
    Rule("shouting_html", 0.5, "It is written in big or glaring letters.", html_tests.is_glaring),
    Rule("mixed_scripts", 1.5, "Words in it mix alphabets so as to look like others.", text_tests.mixes_scripts),
    Rule("invisible_signs", 1.2, "Words in it hold invisible signs.", text_tests.holds_invisible_signs),
    Rule("shouting_text", 0.6, "Much of it is in capitals.", text_tests.shouts),
    Rule("money", 0.6, "It speaks of a lot of money.", text_tests.speaks_of_money),
    Rule("unsubscribing", 0.6, "It tells how to be removed, as unasked-for mail does.", text_tests.offers_removal),
    Rule("not_spam", 1.0, "It says that it is no spam.", text_tests.denies_being_spam),
    Rule("hurry", 0.5, "It urges you to act at once.", text_tests.urges),
    Rule("advance_fee", 1.5, "It promises a share of a fortune.", text_tests.promises_fortune),
    Rule("cures", 0.8, "It sells medicine or cures.", text_tests.sells_cures),
    # Where it leads
    Rule("numeric_link", 1.2, "It links to a bare network address.", link_tests.links_to_number),
    Rule("disguised_link", 1.2, "A link in it shows another address than it leads to.", link_tests.disguises_link),
    Rule("odd_link", 1.0, "A link in it is written so as to hide where it leads.", link_tests.obscures_link),
)


def matched(letter: Letter) -> Iterator[Rule]:
    """The rules that are true of a message."""
    return (rule for rule in RULES if rule.test(letter))
