-- What each owner taught the spam filter: a view that follows. Tokens are numbers made with a key of the installation.
CREATE TABLE spam_taught (
    mailbox_id text NOT NULL,
    message_id text NOT NULL,
    is_spam boolean NOT NULL,
    tokens bigint[] NOT NULL,
    sender text NOT NULL,                -- the proven sender, hashed with the same key; empty where none is proven
    PRIMARY KEY (mailbox_id, message_id)
);
CREATE TABLE spam_counts (
    mailbox_id text NOT NULL,
    spams bigint NOT NULL,               -- messages taught
    hams bigint NOT NULL,
    PRIMARY KEY (mailbox_id)
);
CREATE TABLE spam_tokens (
    mailbox_id text NOT NULL,
    token bigint NOT NULL,
    spams integer NOT NULL,
    hams integer NOT NULL,
    PRIMARY KEY (mailbox_id, token)
);
CREATE INDEX spam_taught_senders ON spam_taught (sender) WHERE sender <> '';
-- What all of them together taught, as far as several did; made anew from the above now and then.
CREATE TABLE spam_installation (
    token bigint PRIMARY KEY,            -- 0 counts the messages
    spams bigint NOT NULL,
    hams bigint NOT NULL
);
