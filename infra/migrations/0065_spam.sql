-- What each owner taught the spam filter: a view that follows. Tokens and senders are numbers made with a key of the
-- installation, so no word and no address can be read from them.
CREATE TABLE spam_taught (
    mailbox_id text NOT NULL,
    message_id text NOT NULL,
    is_spam boolean NOT NULL,
    sender bigint NOT NULL,              -- 0 where nobody was proven to have sent it
    tokens bigint[] NOT NULL,
    PRIMARY KEY (mailbox_id, message_id)
);
CREATE INDEX spam_taught_senders ON spam_taught (sender, mailbox_id) WHERE sender <> 0;
CREATE TABLE spam_counts (
    mailbox_id text PRIMARY KEY,
    spams bigint NOT NULL,               -- messages taught
    hams bigint NOT NULL
);
CREATE TABLE spam_tokens (
    mailbox_id text NOT NULL,
    token bigint NOT NULL,
    spams integer NOT NULL,
    hams integer NOT NULL,
    PRIMARY KEY (mailbox_id, token)
);
