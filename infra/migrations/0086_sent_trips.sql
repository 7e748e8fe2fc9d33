-- The archive of what left for other hosts: one row a transaction, written before its last dot in the commit that says so.
-- Envelope and answers are the log's, the message is its object; here is what else the bytes on the wire consist of.
CREATE TABLE sent_trips (
    mailbox_id text NOT NULL,
    submission_id text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    at bigint NOT NULL,                  -- unix milliseconds
    places integer[] NOT NULL,           -- to which recipients of the submission
    sealed bytea NOT NULL,               -- `SentCopy`, under the mailbox's key
    PRIMARY KEY (mailbox_id, submission_id, number)
);
CREATE INDEX sent_trips_at ON sent_trips (at);
