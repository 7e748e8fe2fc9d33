-- A rebuild of the rows in step under way: where it stands, so that it can be interrupted and resumed.
CREATE TABLE rebuilds (
    mailbox_id text PRIMARY KEY,
    generation integer NOT NULL,
    applied_seq bigint NOT NULL,
    mailbox json NOT NULL
);
