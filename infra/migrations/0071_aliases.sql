-- Further addresses of accounts, as operators set them down; `@domain` takes what nobody else of that domain has.
CREATE TABLE aliases (
    address text PRIMARY KEY,            -- canonical (domain/addresses.py), or @ and a domain of ours
    mailbox_id text NOT NULL,
    account_id text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    made_at bigint NOT NULL
);
CREATE INDEX aliases_by_mailbox ON aliases (mailbox_id);
