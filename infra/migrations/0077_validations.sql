-- What is found about a submission before it leaves: one row a submission, one column a check. A column is null until its
-- check has answered, empty where it has nothing against the mail, else the reason why the mail may not leave. The row
-- goes with that of `sending`.
CREATE TABLE validations (
    mailbox_id text NOT NULL,
    submission_id text NOT NULL,
    started_at bigint NOT NULL,          -- unix milliseconds
    policy text,
    spam text,
    attachments text,
    unsubscribed text,
    PRIMARY KEY (mailbox_id, submission_id),
    FOREIGN KEY (mailbox_id, submission_id) REFERENCES sending ON DELETE CASCADE
);
