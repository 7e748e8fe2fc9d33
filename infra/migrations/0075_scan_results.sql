-- What a scanner said of some content, by its SHA-256. Written down for a week at most; all of it may be lost.
CREATE TABLE scan_results (
    sha256 text NOT NULL,
    scanner text NOT NULL,               -- with its version, signatures included
    verdict text NOT NULL,               -- clean, infected
    threat text NOT NULL,
    scanned_at bigint NOT NULL,          -- unix milliseconds
    PRIMARY KEY (sha256, scanner)
);
CREATE INDEX scan_results_scanned ON scan_results (scanned_at);
