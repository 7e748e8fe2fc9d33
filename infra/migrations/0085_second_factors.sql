-- The second factor of an account (RFC 6238): state beside its log, as its password is.
CREATE TABLE second_factors (
    account_id text PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    factor_id text NOT NULL,             -- names this one in commands; one made anew is another
    sealed bytea NOT NULL,               -- the secret, under a key derived from the master key
    state text NOT NULL,                 -- begun | on | removed (asked for no more; stays until the owner's log knows)
    begun_at bigint NOT NULL,            -- unix milliseconds
    last_step bigint NOT NULL DEFAULT 0, -- of the last code accepted: no earlier one is, nor that one again
    recorded boolean NOT NULL DEFAULT true,  -- whether the owner's log knows of the state
    by_whom text NOT NULL DEFAULT 'owner',
    session_id text NOT NULL DEFAULT ''  -- in which session it was switched on or removed
);

-- What opens the account once, instead of a code.
CREATE TABLE recovery_codes (
    account_id text NOT NULL REFERENCES accounts ON DELETE CASCADE,
    hash bytea NOT NULL,                 -- SHA-256 of factor and code: 80 bits of chance need no slow hash
    PRIMARY KEY (account_id, hash)
);
