"""What a mailbox is: events, the decisions that make them, and the fold that reads them.

Pure code: no clock, no randomness, no server. `now` and new ids are handed in. Read in this order: `events` (the
facts), `rows` (the little state that a decision sees), `decisions` (command → events), `mailbox_state` (the fold,
the oracle).
"""
