-- Who keeps which view up, and why it does not where it does not, as each follower says every few seconds. No fact of
-- any mailbox: it may be lost at any time.
CREATE TABLE view_states (
    view text NOT NULL,
    process text NOT NULL,
    not_ready text,                      -- why nothing is applied at present
    told_at timestamptz NOT NULL,        -- by the database's clock: those of machines differ
    PRIMARY KEY (view, process)
);
