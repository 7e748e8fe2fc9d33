-- Accepted mail in which a virus was found, until an operator releases or discards it. One row an acceptance.
CREATE TABLE quarantine (
    acceptance_id text PRIMARY KEY,
    record bytea NOT NULL,
    recipients integer[] NOT NULL,       -- indices of those who have not got it
    threat text NOT NULL,
    held_at bigint NOT NULL              -- unix milliseconds
);
CREATE INDEX quarantine_held ON quarantine (held_at);
