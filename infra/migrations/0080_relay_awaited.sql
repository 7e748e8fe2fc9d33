-- Submissions some of whose recipients are here and others elsewhere: until those here are settled, and `until` at the
-- latest (unix milliseconds), whoever tells the sender of those elsewhere waits, and then tells of all in one mail.
CREATE TABLE relay_awaited (
    mailbox_id text NOT NULL,
    submission_id text NOT NULL,
    until bigint NOT NULL,
    PRIMARY KEY (mailbox_id, submission_id)
);
