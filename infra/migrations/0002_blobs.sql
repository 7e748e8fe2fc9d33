-- Which objects the blob store holds, and who holds them: rows, never counters.

CREATE TABLE blobs (
    name text PRIMARY KEY,
    size bigint NOT NULL,
    touched_at timestamptz NOT NULL,  -- the last put or dedup hit: the start of the grace
    marked_at timestamptz             -- set by the collector while nobody holds it, cleared by every touch
) WITH (fillfactor = 90);

CREATE INDEX blobs_marked ON blobs (name) WHERE marked_at IS NOT NULL;

CREATE TABLE blob_references (
    holder text NOT NULL,
    name text NOT NULL,
    PRIMARY KEY (holder, name)
);

CREATE INDEX blob_references_name ON blob_references (name);

-- A hold and the collector meet here: inserting references locks their blobs' rows FOR KEY SHARE, in the order of the names,
-- the collector deletes under FOR UPDATE, so a reference to what was collected fails instead of dangling. What a foreign
-- key would do, but for all the rows of a statement at once: row by row it was an eighth of an append.
CREATE FUNCTION blobs_of_references_stand() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
BEGIN
    -- In the order of the rows inserted, which whoever inserts several gives as that of their names.
    PERFORM FROM held LEFT JOIN LATERAL (
        SELECT blobs.name FROM blobs WHERE blobs.name = held.name FOR KEY SHARE
    ) AS locked ON true WHERE locked.name IS NULL;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = 'a reference to a blob that is not there';
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER blobs_stand AFTER INSERT ON blob_references REFERENCING NEW TABLE AS held
    FOR EACH STATEMENT EXECUTE FUNCTION blobs_of_references_stand();

CREATE FUNCTION no_references_are_left() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    held text;
BEGIN
    SELECT r.name INTO held FROM blob_references r JOIN gone ON gone.name = r.name LIMIT 1;
    IF FOUND THEN
        RAISE foreign_key_violation USING MESSAGE = format('blob %s is still referred to', held);
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER nobody_refers AFTER DELETE ON blobs REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION no_references_are_left();
