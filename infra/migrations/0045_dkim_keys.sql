-- The private keys that mail of a domain is signed with, each sealed under a key derived from the master key. At most one
-- set of keys is pending and one active; a partial index holds it against two operators at once.
CREATE TABLE dkim_keys (
    domain text NOT NULL,
    selector text NOT NULL,
    algorithm text NOT NULL,             -- rsa-sha256, ed25519-sha256
    state text NOT NULL,                 -- pending, active, retired
    sealed bytea NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (domain, selector)
);

CREATE UNIQUE INDEX dkim_keys_in_use ON dkim_keys (domain, state, algorithm) WHERE state <> 'retired';
