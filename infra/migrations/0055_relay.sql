-- Mail on its way to other hosts. Times are unix milliseconds. No row holds an address: the log and the record do.

-- One row a destination (A-labels) for which something is kept. `due_at` is never later than that of its first row.
CREATE TABLE relay_domains (
    domain text PRIMARY KEY,
    due_at bigint NOT NULL,
    held boolean NOT NULL DEFAULT false,
    taken_by text                        -- the one relay that has its connections, while it has rows of it in hand
) WITH (fillfactor = 70);
CREATE INDEX relay_domains_due ON relay_domains (due_at) WHERE NOT held;
CREATE INDEX relay_domains_taken ON relay_domains (taken_by) WHERE taken_by IS NOT NULL;

-- One row a submission and destination. `due_at` is also the end of a lease. `mailbox_id` is empty, and
-- `submission_id` an acceptance id, for what no owner submitted: that lies in `relay_records`.
CREATE TABLE relay_schedule (
    mailbox_id text NOT NULL,
    submission_id text NOT NULL,
    domain text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    recipients integer[] NOT NULL,       -- places of the recipients that are open
    attempt integer NOT NULL DEFAULT 1,  -- the one that is due or under way
    due_at bigint NOT NULL,
    queued_at bigint NOT NULL,
    blob text,                           -- the object that is sent, where it is not that of the submission's message
    size_bytes bigint,
    leased_by text,
    in_doubt integer[] NOT NULL DEFAULT '{}',  -- of these the far side may have the whole message
    last_reply text NOT NULL DEFAULT '',
    delay_told boolean NOT NULL DEFAULT false,
    PRIMARY KEY (mailbox_id, submission_id, domain)
) WITH (fillfactor = 70);
CREATE INDEX relay_schedule_due ON relay_schedule (domain, due_at, number);
CREATE INDEX relay_schedule_leased ON relay_schedule (domain) WHERE leased_by IS NOT NULL;

-- What the sender is to be told of recipients once all are settled.
CREATE TABLE relay_outcomes (
    mailbox_id text NOT NULL,
    submission_id text NOT NULL,
    recipient integer NOT NULL,
    action text NOT NULL,                -- failed or relayed (RFC 3464 section 2.3.3)
    reply text NOT NULL,
    PRIMARY KEY (mailbox_id, submission_id, recipient)
);

-- What no owner submitted: notifications to strangers, forwarded mail. It stays a week after it was relayed, so that a
-- worker that crashed and comes again hands over nothing twice.
CREATE TABLE relay_records (
    acceptance_id text PRIMARY KEY,
    record bytea NOT NULL,
    taken integer[] NOT NULL,            -- places of the recipients that the relay has ever had
    taken_at bigint NOT NULL,
    done_at bigint
);
CREATE INDEX relay_records_done ON relay_records (done_at) WHERE done_at IS NOT NULL;

-- What was kept until there is a relay is due.
UPDATE sending SET due_at = 0 WHERE error LIKE 'no relay is configured yet%';
UPDATE queue_failures SET due_at = 0 WHERE error LIKE 'no relay is configured yet%';
UPDATE queue_records SET due_at = 0 WHERE leased_by IS NULL AND acceptance_id IN
    (SELECT acceptance_id FROM queue_failures WHERE error LIKE 'no relay is configured yet%');
