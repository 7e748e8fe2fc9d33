-- Of each partition of the topic of accepted mail: up to where records were handed out for delivery. What comes again
-- below it was in the hands of somebody who died or lost the partition.
CREATE TABLE incoming_taken (
    topic text NOT NULL,
    partition integer NOT NULL,
    until_offset bigint NOT NULL,        -- the first that was not
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 50);
