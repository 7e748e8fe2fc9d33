-- Whom a mailbox corresponds with: a view that follows. Sent mail weighs more than received.
CREATE TABLE correspondents (
    mailbox_id text NOT NULL,
    address text NOT NULL,
    name text NOT NULL,
    sent bigint NOT NULL,
    received bigint NOT NULL,
    last_at bigint NOT NULL,
    PRIMARY KEY (mailbox_id, address)
);
CREATE INDEX correspondents_recent ON correspondents (mailbox_id, last_at DESC);
