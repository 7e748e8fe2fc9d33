"""What scripts come to."""

import pytest

from gateways.sieve.checking import program_of
from gateways.sieve.running import run
from tests.gateways.sieve.scripts import EVERYTHING, message, outcome


def test_without_an_action_the_message_is_kept() -> None:
    found = outcome("")
    assert found.is_kept
    assert not found.filed
    assert not found.flags


def test_filing_cancels_the_implicit_keep_and_a_copy_does_not() -> None:
    filed = outcome('require "fileinto"; fileinto "Birds/Fast";')
    assert (list(filed.filed), filed.is_kept) == (["l2"], False)
    copied = outcome('require ["fileinto", "copy"]; fileinto :copy "birds"; fileinto :copy "BIRDS";')
    assert (list(copied.filed), copied.is_kept) == (["l1"], True)


def test_a_discarded_message_that_is_kept_explicitly_is_kept() -> None:
    assert not outcome("discard;").is_kept
    assert outcome("discard; keep;").is_kept
    assert outcome("keep; discard;").is_kept


def test_only_the_first_branch_that_holds_is_run() -> None:
    script = 'if false { discard; } elsif true { addflag "a"; } elsif true { addflag "b"; } else { addflag "c"; }'
    assert list(outcome(EVERYTHING + script).flags) == ["a"]
    assert list(outcome(EVERYTHING + 'if false {} else { addflag "c"; }').flags) == ["c"]


def test_stop_ends_the_script_within_blocks_too_and_every_program_after_it() -> None:
    stopped = program_of("if true { if true { stop; } } discard;")
    assert run([stopped, program_of("discard;")], message()).is_kept


def test_flags_become_keywords_and_what_can_be_none_is_left_out() -> None:
    script = 'addflag ["\\\\Seen \\\\Flagged", "$Label1", "\\\\Deleted", "a{b"]; removeflag "\\\\FLAGGED";'
    assert list(outcome(EVERYTHING + script).flags) == ["$seen", "$label1"]
    assert list(outcome(EVERYTHING + 'addflag "a"; keep :flags ["b", "c"];').flags) == ["b", "c"]
    assert list(outcome(EVERYTHING + 'setflag "v" "a b"; addflag "v" "c"; keep :flags "${v}";').flags) == [
        "a",
        "b",
        "c",
    ]


def test_a_flag_that_was_set_is_seen_by_hasflag() -> None:
    assert outcome(EVERYTHING + 'setflag "\\\\Seen"; if hasflag "\\\\seen" { discard; }').is_discarded
    assert outcome(EVERYTHING + 'setflag "v" "x"; if hasflag :contains "v" "X" { discard; }').is_discarded


def test_variables_are_filled_in_and_modified_in_the_order_of_precedence() -> None:
    script = (
        'if header :matches "subject" "I have a * for *" { set :upperfirst :lower "what" "${1}"; set "who" "${2}"; }\n'
        'fileinto :create "${what}/${who}/${none}x";'
    )
    assert list(outcome(EVERYTHING + script).created) == ["Présent/you/x"]
    assert list(outcome(EVERYTHING + 'set :length "n" "abcd"; fileinto :create "${n}";').created) == ["4"]
    assert list(outcome(EVERYTHING + 'set :quotewildcard "n" "a*b?"; fileinto :create "${n}";').created) == ["a\\*b\\?"]


def test_what_a_pattern_matched_stays_where_the_next_matches_nothing() -> None:
    script = (
        'if header :matches "x-priority" "* (*)" {}\nif header :matches "subject" "nothing*" {}\n'
        'fileinto :create "${0}-${1}-${2}-${3}";'
    )
    assert list(outcome(EVERYTHING + script).created) == ["3 (normal)-3-normal-"]


def test_redirects_are_told_once_each_and_one_to_the_owner_keeps() -> None:
    found = outcome('redirect "a@b.test"; redirect "<a@B.test>";')
    assert (list(found.redirects), found.is_kept) == (["a@b.test"], False)
    assert outcome(EVERYTHING + 'redirect :copy "a@b.test";').is_kept
    own = outcome('redirect "Roadrunner+x@acme.example.com";')
    assert (list(own.redirects), own.is_kept) == ([], True)


def test_a_label_that_is_missing_is_an_error_and_the_message_is_kept() -> None:
    found = outcome(EVERYTHING + '\nredirect "a@b.test";\nfileinto "Fish";')
    assert found.is_kept
    assert not found.redirects
    assert found.error == "line 4: there is no label 'Fish'"


@pytest.mark.parametrize(
    "script",
    [
        'reject "no"; keep;',
        'reject "no"; redirect "a@b.test";',
        'vacation "a"; vacation "b";',
        'reject "no"; vacation "b";',
        "\n".join(f'redirect "a{number}@b.test";' for number in range(6)),
        "\n".join(f'fileinto :create "a{number}";' for number in range(33)),
        "\n".join(f'set "a{number}" "";' for number in range(129)),
        'set "a" "no address"; redirect "${a}";',
        'set "a" " "; fileinto :create "${a}";',
    ],
)
def test_what_goes_wrong_while_it_runs_keeps_the_message(script: str) -> None:
    found = outcome(EVERYTHING + script)
    assert found.error
    assert found.is_kept
    assert not found.redirects
    assert found.rejected is None
    assert found.vacation is None


def test_a_script_that_compares_without_end_is_stopped_by_its_steps() -> None:
    keys = ", ".join(f'"{number:05}"' for number in range(5_000))
    raw = b"".join(b"X-A: %d\r\n" % number for number in range(200)) + b"\r\n"
    found = outcome(f'if header :contains "x-a" [{keys}] {{ discard; }}', raw)
    assert found.error == "line 1: the rules take too long on this message"
    assert found.is_kept


def test_a_rejection_carries_its_text() -> None:
    found = outcome('require "reject"; reject text:\r\nNo birds.\r\n..please\r\n.\r\n;')
    assert found.rejected == "No birds.\n.please\n"
    assert not found.is_kept


def test_a_vacation_is_bounded_and_keeps_the_message() -> None:
    found = outcome(EVERYTHING + 'vacation :days 9999 :subject "Away" :addresses ["a@b.test"] :handle "h" "Back soon";')
    assert found.is_kept
    assert found.vacation is not None
    assert (found.vacation.seconds, found.vacation.subject) == (90 * 86_400, "Away")


def test_fields_that_are_added_and_deleted_are_seen_by_later_tests() -> None:
    script = 'addheader "X-Seen" "yes"; deleteheader "subject"; if exists ["x-seen", "from"] { discard; }'
    found = outcome(EVERYTHING + script)
    assert found.is_discarded
    assert found.added == [("x-seen", "yes")]
    assert not outcome(EVERYTHING + 'deleteheader "subject"; if exists "subject" { discard; }').is_discarded


def test_fields_that_tell_where_a_message_has_been_cannot_be_changed() -> None:
    script = 'deleteheader "received"; addheader "Auto-Submitted" "no"; if exists "received" { discard; }'
    found = outcome(EVERYTHING + script)
    assert found.is_discarded
    assert not found.added


def test_one_of_several_fields_is_deleted_by_its_place_or_its_value() -> None:
    raw = b"X-A: 1\r\nX-A: 2\r\nX-A: 3\r\n\r\n"
    last = EVERYTHING + 'deleteheader :index 1 :last "X-A"; if header "x-a" "3" { discard; }'
    assert not outcome(last, raw).is_discarded
    matching = EVERYTHING + 'deleteheader :matches "X-A" ["1", "3"]; if header :contains "x-a" ["1", "3"] { discard; }'
    assert not outcome(matching, raw).is_discarded
