-- The log, the rows in step with it, the commands seen, and the wake-ups. Every key begins with the mailbox.

CREATE TABLE mailboxes (
    mailbox_id text PRIMARY KEY,
    head bigint NOT NULL DEFAULT 0,
    head_hash bytea NOT NULL DEFAULT '\x0000000000000000000000000000000000000000000000000000000000000000',
    recorded_at bigint NOT NULL DEFAULT 0,
    generation integer NOT NULL DEFAULT 1,
    used_bytes bigint NOT NULL DEFAULT 0,
    quota_bytes bigint NOT NULL DEFAULT 0,
    quota_warned smallint NOT NULL DEFAULT 0,
    messages bigint NOT NULL DEFAULT 0,
    last_uid_validity bigint NOT NULL DEFAULT 0,
    sending_blocked boolean NOT NULL DEFAULT false,
    sending_halved boolean NOT NULL DEFAULT false,
    erased boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);

CREATE TABLE stored_events (
    originator_id text NOT NULL,
    originator_version bigint NOT NULL,
    topic text NOT NULL,
    state bytea NOT NULL,
    recorded_at bigint NOT NULL,
    key_id text NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
) WITH (autovacuum_analyze_threshold = 1000, autovacuum_analyze_scale_factor = 0.01, toast_tuple_target = 8160);
ALTER TABLE stored_events ALTER COLUMN state SET STORAGE EXTERNAL;

CREATE TABLE message_salts (
    mailbox_id text NOT NULL,
    seq bigint NOT NULL,
    message_id text NOT NULL,
    salt bytea NOT NULL,
    PRIMARY KEY (mailbox_id, seq)
);
CREATE INDEX message_salts_by_message ON message_salts (mailbox_id, message_id);

CREATE TABLE commands (
    mailbox_id text NOT NULL,
    command_id text NOT NULL,
    digest bytea NOT NULL,
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    answer bytea NOT NULL,
    PRIMARY KEY (mailbox_id, command_id)
);

CREATE TABLE wake (
    mailbox_id text NOT NULL,
    head bigint NOT NULL
);

CREATE TABLE messages (
    mailbox_id text NOT NULL,
    generation integer NOT NULL,
    message_id text NOT NULL,
    origin text NOT NULL,
    thread_id text NOT NULL,
    blob text NOT NULL,
    size bigint NOT NULL,
    received_at bigint NOT NULL,
    listed_at bigint NOT NULL,
    labels text[] NOT NULL,
    uids bigint[] NOT NULL,
    keywords text[] NOT NULL,
    has_attachment boolean NOT NULL,
    summary json,
    delivered_seq bigint NOT NULL,
    created_seq bigint NOT NULL,
    changed_seq bigint NOT NULL,
    destroyed_seq bigint,
    snoozed_until bigint,
    PRIMARY KEY (mailbox_id, generation, message_id)
) WITH (fillfactor = 90);
CREATE INDEX messages_listed ON messages (mailbox_id, generation, listed_at DESC, message_id DESC) WHERE destroyed_seq IS NULL;
CREATE INDEX messages_starred ON messages (mailbox_id, generation, listed_at DESC, message_id DESC)
    WHERE destroyed_seq IS NULL AND '$flagged' = ANY (keywords);
CREATE INDEX messages_unread ON messages (mailbox_id, generation, listed_at DESC, message_id DESC)
    WHERE destroyed_seq IS NULL AND NOT (keywords && ARRAY['$seen', '$draft']);
CREATE INDEX messages_changed ON messages (mailbox_id, generation, changed_seq);
CREATE INDEX messages_delivered ON messages (mailbox_id, generation, delivered_seq DESC) WHERE destroyed_seq IS NULL;
CREATE INDEX messages_by_thread ON messages (mailbox_id, generation, thread_id) WHERE destroyed_seq IS NULL;
-- Messages that a joining of threads moved under new ids, found by the first one.
CREATE INDEX messages_moved ON messages (mailbox_id, origin) WHERE origin <> message_id;
CREATE INDEX messages_snoozed ON messages (snoozed_until) WHERE snoozed_until IS NOT NULL;

CREATE TABLE memberships (
    mailbox_id text NOT NULL,
    generation integer NOT NULL,
    label_id text NOT NULL,
    uid bigint NOT NULL,
    message_id text NOT NULL,
    listed_at bigint NOT NULL,
    unread boolean NOT NULL,
    starred boolean NOT NULL,
    deletion_mark boolean NOT NULL,
    added_at bigint NOT NULL,
    added_seq bigint NOT NULL,
    changed_seq bigint NOT NULL,
    removed_seq bigint,
    PRIMARY KEY (mailbox_id, generation, label_id, uid)
) WITH (fillfactor = 90);
CREATE INDEX memberships_listed ON memberships (mailbox_id, generation, label_id, listed_at DESC, message_id DESC)
    WHERE removed_seq IS NULL;
CREATE INDEX memberships_unread ON memberships (mailbox_id, generation, label_id, listed_at DESC, message_id DESC)
    WHERE removed_seq IS NULL AND unread;
CREATE INDEX memberships_starred ON memberships (mailbox_id, generation, label_id, listed_at DESC, message_id DESC)
    WHERE removed_seq IS NULL AND starred;
CREATE INDEX memberships_expiring ON memberships (added_at) WHERE removed_seq IS NULL AND label_id IN ('TRASH', 'SPAM');

CREATE TABLE labels (
    mailbox_id text NOT NULL,
    generation integer NOT NULL,
    label_id text NOT NULL,
    name text NOT NULL,
    parent_id text,
    role text,
    uid_validity bigint NOT NULL,
    next_uid bigint NOT NULL,
    sort_order integer NOT NULL,
    subscribed boolean NOT NULL,
    total bigint NOT NULL,
    unread bigint NOT NULL,
    threads bigint NOT NULL,
    threads_unread bigint NOT NULL,
    size bigint NOT NULL,
    created_seq bigint NOT NULL,
    changed_seq bigint NOT NULL,
    counts_seq bigint NOT NULL,
    destroyed_seq bigint,
    PRIMARY KEY (mailbox_id, generation, label_id)
) WITH (fillfactor = 50);

CREATE TABLE threads (
    mailbox_id text NOT NULL,
    generation integer NOT NULL,
    label_id text NOT NULL,
    thread_id text NOT NULL,
    total integer NOT NULL,
    unread integer NOT NULL,
    latest_at bigint NOT NULL,
    created_seq bigint NOT NULL,
    changed_seq bigint NOT NULL,
    PRIMARY KEY (mailbox_id, generation, thread_id, label_id)
) WITH (fillfactor = 90);
CREATE INDEX threads_listed ON threads (mailbox_id, generation, label_id, latest_at DESC, thread_id DESC) WHERE total > 0;

CREATE TABLE thread_references (
    mailbox_id text NOT NULL,
    generation integer NOT NULL,
    ref text NOT NULL,
    thread_id text NOT NULL,
    seen_at bigint NOT NULL,
    PRIMARY KEY (mailbox_id, generation, ref)
);
CREATE INDEX thread_references_by_thread ON thread_references (mailbox_id, generation, thread_id);

CREATE TABLE drafts (
    mailbox_id text NOT NULL,
    generation integer NOT NULL,
    draft_id text NOT NULL,
    message_id text NOT NULL,
    revision integer NOT NULL,
    created_seq bigint NOT NULL,
    changed_seq bigint NOT NULL,
    destroyed_seq bigint,
    PRIMARY KEY (mailbox_id, generation, draft_id)
);
CREATE INDEX drafts_by_message ON drafts (mailbox_id, generation, message_id);

CREATE TABLE submissions (
    mailbox_id text NOT NULL,
    generation integer NOT NULL,
    submission_id text NOT NULL,
    message_id text NOT NULL,
    draft_id text NOT NULL,
    status text NOT NULL,
    recipients json NOT NULL,
    queued_at bigint NOT NULL,
    send_at bigint NOT NULL,
    undo_until bigint NOT NULL,
    stream text NOT NULL,
    created_seq bigint NOT NULL,
    changed_seq bigint NOT NULL,
    PRIMARY KEY (mailbox_id, generation, submission_id)
);
CREATE INDEX submissions_queued ON submissions (mailbox_id, generation, queued_at DESC, submission_id DESC);
CREATE INDEX submissions_by_message ON submissions (mailbox_id, generation, message_id);

CREATE TABLE documents (
    mailbox_id text NOT NULL,
    generation integer NOT NULL,
    kind text NOT NULL,
    document_id text NOT NULL,
    body json NOT NULL,
    created_seq bigint NOT NULL,
    changed_seq bigint NOT NULL,
    destroyed_seq bigint,
    PRIMARY KEY (mailbox_id, generation, kind, document_id)
);

-- A submission waits here until it is due; undo deletes it, the sender claims it, each under the mailbox row's lock.
CREATE TABLE outbox (
    mailbox_id text NOT NULL,
    submission_id text NOT NULL,
    due_at bigint NOT NULL,
    PRIMARY KEY (mailbox_id, submission_id)
);
CREATE INDEX outbox_due ON outbox (due_at);

-- Messages deleted for good whose salts and blobs are destroyed after the retention.
CREATE TABLE forgetting (
    mailbox_id text NOT NULL,
    message_id text NOT NULL,
    due_at bigint NOT NULL,
    PRIMARY KEY (mailbox_id, message_id)
);
CREATE INDEX forgetting_due ON forgetting (due_at);

-- What follows: one row a view and mailbox, and the wake-ups that the dispatcher has fanned out.
CREATE TABLE followers (
    view text NOT NULL,
    mailbox_id text NOT NULL,
    applied_seq bigint NOT NULL DEFAULT 0,
    generation integer NOT NULL DEFAULT 1,
    parked_error text,
    parked_at bigint,
    PRIMARY KEY (mailbox_id, view)
);
CREATE TABLE follower_wakes (
    view text NOT NULL,
    mailbox_id text NOT NULL,
    head bigint NOT NULL
);
CREATE INDEX follower_wakes_by_view ON follower_wakes (view, mailbox_id);
