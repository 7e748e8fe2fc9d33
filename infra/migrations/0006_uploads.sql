-- Files on their way into drafts. Their objects are held for `upload:<id>` once they are here. Times: unix milliseconds.

CREATE TABLE uploads (
    upload_id text PRIMARY KEY,
    mailbox_id text NOT NULL,
    filename text NOT NULL,
    content_type text NOT NULL,
    size bigint NOT NULL,
    expected_sha256 text,
    sha256 text,
    completed boolean NOT NULL DEFAULT false,
    expires_at bigint NOT NULL
);
CREATE INDEX uploads_by_mailbox ON uploads (mailbox_id);
CREATE INDEX uploads_expiring ON uploads (expires_at);
