-- What relaying knows of other hosts' TLS. Times are unix milliseconds.

-- MTA-STS policies (RFC 8461 section 3.3), kept until they expire though their domain is silent.
CREATE TABLE mta_sts_policies (
    domain text PRIMARY KEY,
    policy_id text NOT NULL,
    policy text NOT NULL,
    fetched_at bigint NOT NULL,
    expires_at bigint NOT NULL
);

-- How connections fared, for the reports of RFC 8460: one row a day, policy and result.
CREATE TABLE tls_outcomes (
    day date NOT NULL,
    domain text NOT NULL,
    policy text NOT NULL,                -- tlsa, sts or no-policy-found (RFC 8460 section 4.4)
    result text NOT NULL,                -- empty for a success, else a type of section 4.3
    host text NOT NULL,
    sessions bigint NOT NULL,
    PRIMARY KEY (day, domain, policy, result, host)
);
