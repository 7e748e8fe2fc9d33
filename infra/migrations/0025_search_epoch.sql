-- Which search index outside this database is its own: another one for a database made anew or restored from a backup.

CREATE TABLE search_epoch (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    epoch text NOT NULL DEFAULT left(replace(gen_random_uuid()::text, '-', ''), 12)
);
INSERT INTO search_epoch DEFAULT VALUES;
