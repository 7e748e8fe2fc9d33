-- Who wants no more bulk mail of a sender: said by the link that each such mail bears (RFC 8058). State of the mailbox
-- beside its log, as credentials are.
CREATE TABLE unsubscribed (
    mailbox_id text NOT NULL,
    address text NOT NULL,               -- canonical
    at bigint NOT NULL,                  -- unix milliseconds
    PRIMARY KEY (mailbox_id, address)
);
