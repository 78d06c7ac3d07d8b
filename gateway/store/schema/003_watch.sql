-- Version 3: what flaps or belongs to something greater is one line; what is known of a lasting fault; when each channel last proved itself.

ALTER TABLE maintenance ADD COLUMN times INTEGER NOT NULL DEFAULT 1;  -- how often, for a line that stands for many
ALTER TABLE maintenance ADD COLUMN last_ms INTEGER;                   -- when last, likewise
ALTER TABLE maintenance ADD COLUMN part_of INTEGER;                   -- the line that stands for this one; null: it stands for itself
ALTER TABLE device ADD COLUMN lost_ms INTEGER;                        -- since when it is lost
ALTER TABLE fault ADD COLUMN name TEXT NOT NULL DEFAULT '';           -- of what, in words people know
ALTER TABLE fault ADD COLUMN names TEXT NOT NULL DEFAULT '[]';        -- JSON: the boards that it is about
ALTER TABLE fault ADD COLUMN told_ms INTEGER;                         -- when somebody was told of it last
ALTER TABLE fault ADD COLUMN line INTEGER;                            -- its line in the maintenance log

CREATE TABLE canary (
    channel TEXT PRIMARY KEY,
    since_ms INTEGER NOT NULL,    -- it is watched from then on
    slot_ms INTEGER NOT NULL,     -- the newest day's time that was decided on
    proved_ms INTEGER,            -- something got through, a canary or a real message
    real_ms INTEGER,              -- a real message got through
    asked_ms INTEGER,             -- a canary is on its way since then; null: none is
    delivery INTEGER NOT NULL,    -- its row in the table delivery
    failed TEXT NOT NULL          -- why the last one has not got through; empty: it has, or it may still
) STRICT, WITHOUT ROWID;
