-- Version 5: updates over the air. What each board runs, the campaigns, and how far each board came in each of them.

ALTER TABLE device ADD COLUMN app TEXT NOT NULL DEFAULT '';       -- which bundle it runs
ALTER TABLE device ADD COLUMN updating TEXT NOT NULL DEFAULT '';  -- what its newest update has come to: state, bundle, why

CREATE TABLE campaign (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL,    -- open, halted, done, ended
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    body TEXT NOT NULL      -- gateway.domain.campaigns.Campaign
) STRICT;

-- Columns as gateway.domain.campaigns.Progress has them.
CREATE TABLE board_update (
    campaign INTEGER NOT NULL,
    device TEXT NOT NULL,
    state TEXT NOT NULL,
    wave INTEGER NOT NULL,
    order_id TEXT NOT NULL,
    start TEXT NOT NULL,
    tries INTEGER NOT NULL,
    from_version TEXT NOT NULL,
    from_app TEXT NOT NULL,
    ordered_ms INTEGER,
    at_ms INTEGER NOT NULL,
    words TEXT NOT NULL,
    PRIMARY KEY (campaign, device)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER campaign_gone AFTER DELETE ON campaign BEGIN
    DELETE FROM board_update WHERE campaign = OLD.number;
END;
