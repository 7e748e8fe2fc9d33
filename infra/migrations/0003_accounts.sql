-- Addresses, accounts, sessions, passwords: state of its own, not a view of the log. Times are unix milliseconds.

-- Whose row is here first has the address, for good. Kept apart from the accounts so that it can be spread by address.
CREATE TABLE directory (
    address text PRIMARY KEY,            -- canonical (domain/addresses.py)
    mailbox_id text NOT NULL UNIQUE,
    account_id text NOT NULL UNIQUE,
    kind text NOT NULL DEFAULT 'account',  -- account | operator
    state text NOT NULL DEFAULT 'opening'  -- opening | open | suspended | closed
);

CREATE TABLE accounts (
    account_id text PRIMARY KEY,
    mailbox_id text NOT NULL UNIQUE,
    address text NOT NULL,               -- as its owner spelt it
    canonical text NOT NULL UNIQUE,
    role text NOT NULL DEFAULT 'user',   -- user | auditor
    state text NOT NULL DEFAULT 'opening',
    created_at bigint NOT NULL,
    opening_name text,                   -- what `MailboxOpened` will say; gone once it is appended
    opening_quota bigint,
    password_hash text,                  -- argon2id; null: nobody signs in with a password
    password_version integer NOT NULL DEFAULT 1,
    password_recorded integer NOT NULL DEFAULT 1,  -- the version that the owner's log knows of
    password_by text NOT NULL DEFAULT 'owner'
);
CREATE INDEX accounts_created ON accounts (created_at, account_id);

CREATE TABLE sessions (
    token_hash bytea PRIMARY KEY,        -- SHA-256 of the token
    session_id text NOT NULL UNIQUE,
    account_id text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    client text NOT NULL,
    network_address text NOT NULL,
    created_at bigint NOT NULL,
    last_seen_at bigint NOT NULL,
    expires_at bigint NOT NULL
) WITH (fillfactor = 80);
CREATE INDEX sessions_by_account ON sessions (account_id, created_at);

CREATE TABLE app_passwords (
    app_password_id text PRIMARY KEY,
    account_id text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name text NOT NULL,
    salt bytea NOT NULL,
    hash bytea NOT NULL,                 -- SHA-256 of salt and secret: 100 bits of chance need no slow hash
    created_at bigint NOT NULL,
    last_used_at bigint,
    removed boolean NOT NULL DEFAULT false  -- opens nothing; stays until the owner's log knows
) WITH (fillfactor = 80);
CREATE INDEX app_passwords_by_account ON app_passwords (account_id, created_at);

-- A leaky bucket a subject (an account, or a network address): when it is empty again.
CREATE TABLE sign_in_failures (
    subject text PRIMARY KEY,
    empty_at bigint NOT NULL
) WITH (fillfactor = 70);
CREATE INDEX sign_in_failures_empty ON sign_in_failures (empty_at);

-- The answers to requests with an Idempotency-Key whose calls append no event, kept for a day.
CREATE TABLE http_answers (
    account_id text NOT NULL,
    key text NOT NULL,
    digest bytea NOT NULL,
    status smallint NOT NULL,
    body bytea NOT NULL,                 -- sealed
    expires_at bigint NOT NULL,
    PRIMARY KEY (account_id, key)
);
CREATE INDEX http_answers_expiring ON http_answers (expires_at);
