-- Which objects the blob store holds, and who holds them: rows, never counters.

CREATE TABLE blobs (
    name text PRIMARY KEY,
    size bigint NOT NULL,
    touched_at timestamptz NOT NULL,  -- the last put or dedup hit: the start of the grace
    marked_at timestamptz             -- set by the collector while nobody holds it, cleared by every touch
) WITH (fillfactor = 90);

CREATE INDEX blobs_marked ON blobs (name) WHERE marked_at IS NOT NULL;

-- The foreign key is what makes a hold and the collector meet: inserting a reference locks the blob's row FOR KEY SHARE,
-- the collector deletes under FOR UPDATE, so a reference to what was collected fails instead of dangling.
CREATE TABLE blob_references (
    holder text NOT NULL,
    name text NOT NULL REFERENCES blobs (name),
    PRIMARY KEY (holder, name)
);

CREATE INDEX blob_references_name ON blob_references (name);
