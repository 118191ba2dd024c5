-- Version 1. A change of it is a new file of statements in migrate order (ledger/mod.rs), never an edit of this one.
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    verb TEXT NOT NULL,
    command TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    ended_us INTEGER,
    exit_code INTEGER
) STRICT;
CREATE TABLE changes (
    run INTEGER NOT NULL REFERENCES runs (id),
    address TEXT NOT NULL,
    action TEXT NOT NULL,
    reasons TEXT NOT NULL,
    fate TEXT,
    failure TEXT,
    PRIMARY KEY (run, address)
) STRICT;
CREATE TABLE steps (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES runs (id),
    address TEXT NOT NULL,
    ordinal INTEGER NOT NULL,
    text TEXT NOT NULL,
    state TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
CREATE INDEX steps_of_run ON steps (run, id);
CREATE TABLE facts (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    at_us INTEGER NOT NULL
) STRICT;
