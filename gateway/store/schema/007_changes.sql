-- Version 7: the newest change of each board's configuration. Columns as gateway.domain.rows.Change has them; secrets are in none.

CREATE TABLE board_change (
    device TEXT PRIMARY KEY,
    order_id TEXT NOT NULL,     -- empty: the bench has flashed it so
    person TEXT NOT NULL,
    keys TEXT NOT NULL,         -- JSON
    at_ms INTEGER NOT NULL,
    state TEXT NOT NULL,        -- ordered, applied, refused, rolled_back, missed
    told_before TEXT NOT NULL,  -- JSON: what may be said of the configuration (protocol.config)
    told_after TEXT NOT NULL,
    ended_ms INTEGER,
    words TEXT NOT NULL
) STRICT, WITHOUT ROWID;
