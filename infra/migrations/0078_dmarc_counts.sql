-- Messages that were held against a domain's DMARC policy, counted until the report of their day is sent (RFC 9990).
CREATE TABLE dmarc_counts (
    day date NOT NULL,                   -- UTC
    domain text NOT NULL,                -- where the policy was found
    digest bytea NOT NULL,               -- of the facts
    facts jsonb NOT NULL,                -- a row of the report, without its count
    count bigint NOT NULL,
    PRIMARY KEY (day, domain, digest)
);
