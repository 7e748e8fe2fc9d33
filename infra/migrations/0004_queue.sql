-- What was accepted and is not yet delivered; what could not be; what is being sent. Times are unix milliseconds.

-- One row an acceptance. `due_at` is also the end of a lease: who leases a row moves it there.
CREATE TABLE queue_records (
    acceptance_id text PRIMARY KEY,
    record bytea NOT NULL,
    open integer[] NOT NULL,             -- indices of the recipients that are not settled
    accepted_at bigint NOT NULL,
    due_at bigint NOT NULL,
    leased_by text,
    interruptions integer NOT NULL DEFAULT 0
) WITH (fillfactor = 70);
CREATE INDEX queue_records_due ON queue_records (due_at);

-- Only recipients that failed at least once have a row.
CREATE TABLE queue_failures (
    acceptance_id text NOT NULL REFERENCES queue_records ON DELETE CASCADE,
    recipient integer NOT NULL,
    due_at bigint NOT NULL,
    failures integer NOT NULL,
    error text NOT NULL,
    PRIMARY KEY (acceptance_id, recipient)
);

CREATE TABLE dead_letters (
    acceptance_id text NOT NULL,
    recipient integer NOT NULL,
    address text NOT NULL,
    record bytea NOT NULL,
    error text NOT NULL,
    buried_at bigint NOT NULL,
    PRIMARY KEY (acceptance_id, recipient)
);
CREATE INDEX dead_letters_buried ON dead_letters (buried_at);

-- The first acceptance of a message in a mailbox: a sender's repeat is delivered under the first one's command.
CREATE TABLE recent_deliveries (
    mailbox_id text NOT NULL,
    fingerprint bytea NOT NULL,          -- SHA-256 of Message-ID and content as it arrived
    acceptance_id text NOT NULL,
    received_at bigint NOT NULL,
    PRIMARY KEY (mailbox_id, fingerprint)
);
CREATE INDEX recent_deliveries_received ON recent_deliveries (received_at);

-- What one reading of an object gave, per version of the parser; made again where it is missing.
CREATE TABLE extracts (
    blob text NOT NULL,
    parser integer NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (blob, parser)
);
ALTER TABLE extracts ALTER COLUMN body SET STORAGE EXTERNAL;

-- Submissions on their way: claimed from the outbox under the mailbox row's lock, so that no undo comes after.
CREATE TABLE sending (
    mailbox_id text NOT NULL,
    submission_id text NOT NULL,
    claimed_at bigint NOT NULL,
    due_at bigint NOT NULL,
    attempts integer NOT NULL DEFAULT 0,
    failures integer NOT NULL DEFAULT 0,
    error text NOT NULL DEFAULT '',
    PRIMARY KEY (mailbox_id, submission_id)
);
CREATE INDEX sending_due ON sending (due_at);
