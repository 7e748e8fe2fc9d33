-- Pages of net changes that were not the last: from which seq the labels of the last page must be told. `since` alone
-- cannot say it, as labels come only with the last page.
CREATE TABLE fold_pages (
    mailbox_id text NOT NULL,
    next bigint NOT NULL,
    labels_since bigint NOT NULL,
    PRIMARY KEY (mailbox_id, next)
);
