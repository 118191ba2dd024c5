-- Version 2: what a run was made from, so that it can be taken back.
CREATE TABLE origins (
    run INTEGER PRIMARY KEY REFERENCES runs (id),
    document TEXT NOT NULL
) STRICT;
