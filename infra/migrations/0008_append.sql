-- Writing a gathered commit in one statement. Each table's rows come as one JSON array of objects; NULL: none.

CREATE FUNCTION write_rows(p_messages json, p_memberships json, p_labels json, p_threads json, p_thread_references json, p_drafts json, p_submissions json, p_documents json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- One statement: what starting one costs is more than what it does where a command stands alone.
    WITH messages_written AS (
        INSERT INTO messages (mailbox_id, generation, message_id, origin, thread_id, blob, size, received_at,
            listed_at, labels, uids, keywords, has_attachment, summary, delivered_seq, created_seq, changed_seq,
            destroyed_seq, snoozed_until)
        SELECT mailbox_id, generation, message_id, origin, thread_id, blob, size, received_at, listed_at, labels,
            uids, keywords, has_attachment, summary, delivered_seq, created_seq, changed_seq, destroyed_seq,
            snoozed_until
        FROM json_to_recordset(p_messages) AS r (mailbox_id text, generation integer, message_id text, origin text,
            thread_id text, blob text, size bigint, received_at bigint, listed_at bigint, labels text[], uids
            bigint[], keywords text[], has_attachment boolean, summary json, delivered_seq bigint, created_seq
            bigint, changed_seq bigint, destroyed_seq bigint, snoozed_until bigint)
        ON CONFLICT (mailbox_id, generation, message_id) DO UPDATE SET origin = excluded.origin, thread_id =
            excluded.thread_id, blob = excluded.blob, size = excluded.size, received_at = excluded.received_at,
            listed_at = excluded.listed_at, labels = excluded.labels, uids = excluded.uids, keywords =
            excluded.keywords, has_attachment = excluded.has_attachment, summary = excluded.summary, delivered_seq =
            excluded.delivered_seq, created_seq = excluded.created_seq, changed_seq = excluded.changed_seq,
            destroyed_seq = excluded.destroyed_seq, snoozed_until = excluded.snoozed_until
    ), memberships_written AS (
        INSERT INTO memberships (mailbox_id, generation, label_id, uid, message_id, listed_at, unread, starred,
            deletion_mark, added_at, added_seq, changed_seq, removed_seq)
        SELECT mailbox_id, generation, label_id, uid, message_id, listed_at, unread, starred, deletion_mark,
            added_at, added_seq, changed_seq, removed_seq
        FROM json_to_recordset(p_memberships) AS r (mailbox_id text, generation integer, label_id text, uid bigint,
            message_id text, listed_at bigint, unread boolean, starred boolean, deletion_mark boolean, added_at
            bigint, added_seq bigint, changed_seq bigint, removed_seq bigint)
        ON CONFLICT (mailbox_id, generation, label_id, uid) DO UPDATE SET message_id = excluded.message_id,
            listed_at = excluded.listed_at, unread = excluded.unread, starred = excluded.starred, deletion_mark =
            excluded.deletion_mark, added_at = excluded.added_at, added_seq = excluded.added_seq, changed_seq =
            excluded.changed_seq, removed_seq = excluded.removed_seq
    ), labels_written AS (
        INSERT INTO labels (mailbox_id, generation, label_id, name, parent_id, role, uid_validity, next_uid,
            sort_order, subscribed, total, unread, threads, threads_unread, size, created_seq, changed_seq,
            counts_seq, destroyed_seq)
        SELECT mailbox_id, generation, label_id, name, parent_id, role, uid_validity, next_uid, sort_order,
            subscribed, total, unread, threads, threads_unread, size, created_seq, changed_seq, counts_seq,
            destroyed_seq
        FROM json_to_recordset(p_labels) AS r (mailbox_id text, generation integer, label_id text, name text,
            parent_id text, role text, uid_validity bigint, next_uid bigint, sort_order integer, subscribed boolean,
            total bigint, unread bigint, threads bigint, threads_unread bigint, size bigint, created_seq bigint,
            changed_seq bigint, counts_seq bigint, destroyed_seq bigint)
        ON CONFLICT (mailbox_id, generation, label_id) DO UPDATE SET name = excluded.name, parent_id =
            excluded.parent_id, role = excluded.role, uid_validity = excluded.uid_validity, next_uid =
            excluded.next_uid, sort_order = excluded.sort_order, subscribed = excluded.subscribed, total =
            excluded.total, unread = excluded.unread, threads = excluded.threads, threads_unread =
            excluded.threads_unread, size = excluded.size, created_seq = excluded.created_seq, changed_seq =
            excluded.changed_seq, counts_seq = excluded.counts_seq, destroyed_seq = excluded.destroyed_seq
    ), threads_written AS (
        INSERT INTO threads (mailbox_id, generation, label_id, thread_id, total, unread, latest_at, created_seq,
            changed_seq)
        SELECT mailbox_id, generation, label_id, thread_id, total, unread, latest_at, created_seq, changed_seq
        FROM json_to_recordset(p_threads) AS r (mailbox_id text, generation integer, label_id text, thread_id text,
            total integer, unread integer, latest_at bigint, created_seq bigint, changed_seq bigint)
        ON CONFLICT (mailbox_id, generation, thread_id, label_id) DO UPDATE SET total = excluded.total, unread =
            excluded.unread, latest_at = excluded.latest_at, created_seq = excluded.created_seq, changed_seq =
            excluded.changed_seq
    )
    INSERT INTO thread_references (mailbox_id, generation, ref, thread_id, seen_at)
    SELECT mailbox_id, generation, ref, thread_id, seen_at
    FROM json_to_recordset(p_thread_references) AS r (mailbox_id text, generation integer, ref text, thread_id
        text, seen_at bigint)
    ON CONFLICT (mailbox_id, generation, ref) DO UPDATE SET thread_id = excluded.thread_id, seen_at =
        excluded.seen_at;
    IF p_drafts IS NOT NULL THEN
        INSERT INTO drafts (mailbox_id, generation, draft_id, message_id, revision, created_seq, changed_seq,
            destroyed_seq)
        SELECT mailbox_id, generation, draft_id, message_id, revision, created_seq, changed_seq, destroyed_seq
        FROM json_to_recordset(p_drafts) AS r (mailbox_id text, generation integer, draft_id text, message_id text,
            revision integer, created_seq bigint, changed_seq bigint, destroyed_seq bigint)
        ON CONFLICT (mailbox_id, generation, draft_id) DO UPDATE SET message_id = excluded.message_id, revision =
            excluded.revision, created_seq = excluded.created_seq, changed_seq = excluded.changed_seq, destroyed_seq
            = excluded.destroyed_seq;
    END IF;
    IF p_submissions IS NOT NULL THEN
        INSERT INTO submissions (mailbox_id, generation, submission_id, message_id, draft_id, status, recipients,
            queued_at, send_at, undo_until, stream, created_seq, changed_seq)
        SELECT mailbox_id, generation, submission_id, message_id, draft_id, status, recipients, queued_at, send_at,
            undo_until, stream, created_seq, changed_seq
        FROM json_to_recordset(p_submissions) AS r (mailbox_id text, generation integer, submission_id text,
            message_id text, draft_id text, status text, recipients json, queued_at bigint, send_at bigint,
            undo_until bigint, stream text, created_seq bigint, changed_seq bigint)
        ON CONFLICT (mailbox_id, generation, submission_id) DO UPDATE SET message_id = excluded.message_id, draft_id
            = excluded.draft_id, status = excluded.status, recipients = excluded.recipients, queued_at =
            excluded.queued_at, send_at = excluded.send_at, undo_until = excluded.undo_until, stream =
            excluded.stream, created_seq = excluded.created_seq, changed_seq = excluded.changed_seq;
    END IF;
    IF p_documents IS NOT NULL THEN
        INSERT INTO documents (mailbox_id, generation, kind, document_id, body, created_seq, changed_seq,
            destroyed_seq)
        SELECT mailbox_id, generation, kind, document_id, body, created_seq, changed_seq, destroyed_seq
        FROM json_to_recordset(p_documents) AS r (mailbox_id text, generation integer, kind text, document_id text,
            body json, created_seq bigint, changed_seq bigint, destroyed_seq bigint)
        ON CONFLICT (mailbox_id, generation, kind, document_id) DO UPDATE SET body = excluded.body, created_seq =
            excluded.created_seq, changed_seq = excluded.changed_seq, destroyed_seq = excluded.destroyed_seq;
    END IF;
END
$$;

-- Events, salts, the compare-and-set of the mailbox rows, the rows in step, one wake-up a mailbox, the commands and the
-- blob references. Ends the transaction (SQLSTATE LM001) where a head had moved.
CREATE FUNCTION append_commit(
    p_event_mailboxes text[], p_event_seqs bigint[], p_event_topics text[], p_event_states bytea[],
    p_event_times bigint[], p_event_keys text[], p_event_hashes bytea[],
    p_salt_mailboxes text[], p_salt_seqs bigint[], p_salt_messages text[], p_salts bytea[], p_mailboxes json,
    p_command_mailboxes text[], p_command_ids text[], p_digests bytea[], p_first_seqs bigint[], p_last_seqs bigint[],
    p_answers bytea[], p_holders text[], p_held text[],
    p_messages json, p_memberships json, p_labels json, p_threads json, p_thread_references json, p_drafts json,
    p_submissions json, p_documents json
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    moved bigint;
BEGIN
    IF p_mailboxes IS NOT NULL THEN
        PERFORM write_rows(p_messages, p_memberships, p_labels, p_threads, p_thread_references, p_drafts,
            p_submissions, p_documents);
        INSERT INTO stored_events (originator_id, originator_version, topic, state, recorded_at, key_id, hash)
        SELECT * FROM unnest(p_event_mailboxes, p_event_seqs, p_event_topics, p_event_states, p_event_times,
            p_event_keys, p_event_hashes);
        IF cardinality(p_salts) > 0 THEN
            INSERT INTO message_salts (mailbox_id, seq, message_id, salt)
            SELECT * FROM unnest(p_salt_mailboxes, p_salt_seqs, p_salt_messages, p_salts);
        END IF;
        WITH written AS (
            UPDATE mailboxes x SET head = r.head, head_hash = r.head_hash, recorded_at = r.recorded_at,
                used_bytes = r.used_bytes, quota_bytes = r.quota_bytes, quota_warned = r.quota_warned,
                messages = r.messages, last_uid_validity = r.last_uid_validity, sending_blocked = r.sending_blocked,
                sending_halved = r.sending_halved, erased = r.erased
            FROM json_to_recordset(p_mailboxes) AS r (mailbox_id text, head bigint, head_hash bytea,
                head_before bigint, hash_before bytea, recorded_at bigint, used_bytes bigint, quota_bytes bigint,
                quota_warned smallint, messages bigint, last_uid_validity bigint, sending_blocked boolean,
                sending_halved boolean, erased boolean)
            WHERE x.mailbox_id = r.mailbox_id AND x.head = r.head_before AND x.head_hash = r.hash_before
            RETURNING x.mailbox_id, x.head
        )
        INSERT INTO wake (mailbox_id, head) SELECT mailbox_id, head FROM written;
        GET DIAGNOSTICS moved = ROW_COUNT;
        IF moved <> json_array_length(p_mailboxes) THEN
            RAISE EXCEPTION 'lost race: % of % heads had moved', json_array_length(p_mailboxes) - moved,
                json_array_length(p_mailboxes) USING ERRCODE = 'LM001';
        END IF;
    END IF;
    IF cardinality(p_held) > 0 THEN
        INSERT INTO blob_references (holder, name)
        SELECT holder, name FROM unnest(p_holders, p_held) AS given (holder, name) ORDER BY name, holder
        ON CONFLICT DO NOTHING;
    END IF;
    INSERT INTO commands (mailbox_id, command_id, digest, first_seq, last_seq, answer)
    SELECT * FROM unnest(p_command_mailboxes, p_command_ids, p_digests, p_first_seqs, p_last_seqs, p_answers);
END
$$;

-- Locks the mailbox rows in id order and, in statements behind the lock (each with a snapshot of its own, so that it sees
-- what was committed while the lock was waited for), reads the commands seen and what most decisions need: labels,
-- references and the threads that these lead to, in the generations that the caller takes for the live ones; whether they
-- are the locked rows tell. Each list is JSON: [mailbox, row].
CREATE FUNCTION read_commit(
    p_mailboxes text[], p_command_mailboxes text[], p_command_ids text[],
    p_label_mailboxes text[], p_label_generations integer[], p_labels text[],
    p_reference_mailboxes text[], p_reference_generations integer[], p_references text[],
    OUT locked json, OUT seen json, OUT found_labels json, OUT found_references json,
    OUT found_threads json
) LANGUAGE plpgsql VOLATILE AS $$
BEGIN
    SELECT json_agg(l) INTO locked FROM (
        SELECT b.mailbox_id, b.head, encode(b.head_hash, 'base64') AS head_hash, b.recorded_at, b.generation, b.used_bytes,
            b.quota_bytes, b.quota_warned, b.messages, b.last_uid_validity, b.sending_blocked, b.sending_halved, b.erased
        FROM mailboxes b WHERE b.mailbox_id = ANY (p_mailboxes) ORDER BY b.mailbox_id FOR NO KEY UPDATE
    ) AS l;
    SELECT json_agg(json_build_array(c.mailbox_id, c.command_id, encode(c.digest, 'base64'), c.first_seq, c.last_seq,
            replace(encode(c.answer, 'base64'), E'\n', ''))) INTO seen
    FROM unnest(p_command_mailboxes, p_command_ids) AS n (mailbox_id, command_id)
        JOIN commands c ON c.mailbox_id = n.mailbox_id AND c.command_id = n.command_id;
    IF cardinality(p_labels) > 0 THEN
        SELECT json_agg(json_build_array(x.mailbox_id, row_to_json(x))) INTO found_labels
        FROM unnest(p_label_mailboxes, p_label_generations, p_labels) AS n (mailbox_id, generation, label_id)
            JOIN labels x ON x.mailbox_id = n.mailbox_id AND x.generation = n.generation AND x.label_id = n.label_id;
    END IF;
    IF cardinality(p_references) > 0 THEN
        SELECT json_agg(json_build_array(x.mailbox_id, row_to_json(x))) INTO found_references
        FROM unnest(p_reference_mailboxes, p_reference_generations, p_references) AS n (mailbox_id, generation, ref)
            JOIN thread_references x
                ON x.mailbox_id = n.mailbox_id AND x.generation = n.generation AND x.ref = n.ref;
        IF found_references IS NOT NULL THEN
            SELECT json_agg(json_build_array(t.mailbox_id, row_to_json(t))) INTO found_threads
            FROM (
                SELECT DISTINCT x.mailbox_id, x.generation, x.thread_id
                FROM unnest(p_reference_mailboxes, p_reference_generations, p_references)
                        AS n (mailbox_id, generation, ref)
                    JOIN thread_references x
                        ON x.mailbox_id = n.mailbox_id AND x.generation = n.generation AND x.ref = n.ref
            ) AS led
                JOIN threads t ON t.mailbox_id = led.mailbox_id AND t.generation = led.generation
                    AND t.thread_id = led.thread_id;
        END IF;
    END IF;
END
$$;
