-- Erased mailboxes of which something may be left. Times: unix milliseconds.

CREATE TABLE erasures (
    mailbox_id text PRIMARY KEY,
    began_at bigint NOT NULL,
    done_at bigint                       -- null while something may be left of it
);
CREATE INDEX mailboxes_erased ON mailboxes (mailbox_id) WHERE erased;
