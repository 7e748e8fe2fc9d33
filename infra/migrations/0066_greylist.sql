-- Who was asked to come again: a hash of network, sender and recipient. It may be lost at any time.
CREATE TABLE greylist (
    triplet bytea PRIMARY KEY,
    first_at bigint NOT NULL,            -- unix milliseconds of the first try
    passed_at bigint NOT NULL DEFAULT 0  -- of the last one that was let in
);
