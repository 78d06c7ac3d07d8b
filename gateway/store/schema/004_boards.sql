-- Version 4: what the technician's bench has put on each board. Which certificate is good stands in DATA/identity/boards.json.

CREATE TABLE flashed (
    device TEXT PRIMARY KEY,
    mac TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    person TEXT NOT NULL,
    result TEXT NOT NULL    -- protocol.boards.Flashed
) STRICT, WITHOUT ROWID;
