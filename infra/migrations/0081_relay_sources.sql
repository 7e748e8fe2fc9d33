-- How many mails have left, or may have left, from addresses of ours that are new to the world; one row an address and
-- day (UTC).
CREATE TABLE relay_sources (
    address text NOT NULL,
    day date NOT NULL,
    mails bigint NOT NULL,
    PRIMARY KEY (address, day)
);
