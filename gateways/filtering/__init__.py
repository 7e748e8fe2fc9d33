"""An owner's rules, run on each message that is delivered to him: where it goes, and what is sent because of it.

Read in this order: `owner_rules` (what an owner has put down, and the port to it), `shapes` and `json_rules` (rules as
JSON, into the same program that a Sieve script is), `deciding` (what all of it comes to), `answerable` (whether anybody
may be answered), `reply`, `rejection`, `forwarded` (the mails that are sent), `srs` (their envelope), `filters` (all of
it for a delivery), `notice` (what an owner is told whose rules fail).

What was decided is recorded with the delivery: a replay of the log never runs a rule.
"""
