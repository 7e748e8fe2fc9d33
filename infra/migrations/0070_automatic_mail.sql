-- The object that a submission sends where that is not its message's: an automatic reply, a forwarded copy, a rejection.
ALTER TABLE outbox ADD COLUMN blob text, ADD COLUMN size_bytes bigint;
ALTER TABLE sending ADD COLUMN blob text, ADD COLUMN size_bytes bigint;
