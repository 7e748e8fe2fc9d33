-- What a mailbox's owner is still to be told by a mail in INBOX, written by the append that brought it about. A notice
-- that waits already is not doubled. `noted_at` is unix milliseconds.
CREATE TABLE notices (
    mailbox_id text NOT NULL,
    kind text NOT NULL,                  -- quota
    detail integer NOT NULL,             -- of quota: the level passed, per cent
    used_bytes bigint NOT NULL,
    limit_bytes bigint NOT NULL,
    noted_at bigint NOT NULL,
    PRIMARY KEY (mailbox_id, kind, detail)
);
