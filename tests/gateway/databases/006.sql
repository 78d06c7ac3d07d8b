-- A database of version 6 with a little in it: the schema as it was, and some rows.

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
CREATE TABLE campaign (
    number INTEGER PRIMARY KEY,
    state TEXT NOT NULL,    -- open, halted, done, ended
    began_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    body TEXT NOT NULL      -- gateway.domain.campaigns.Campaign
) STRICT;
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
CREATE TABLE command (
    person TEXT NOT NULL,
    id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    request TEXT NOT NULL,  -- protocol.messages.Command
    answer TEXT NOT NULL,   -- protocol.messages.CommandAnswer
    PRIMARY KEY (person, id)
) STRICT, WITHOUT ROWID;
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY,
    incident TEXT NOT NULL,
    channel TEXT NOT NULL,  -- webhook's name
    what TEXT NOT NULL,
    state TEXT NOT NULL,    -- waiting, delivered, failed
    tries INTEGER NOT NULL,
    at_ms INTEGER NOT NULL, -- of the last try; of the decision before the first
    error TEXT NOT NULL,
    body TEXT NOT NULL      -- JSON, as it is sent
, person TEXT NOT NULL DEFAULT '', address TEXT NOT NULL DEFAULT '', step INTEGER NOT NULL DEFAULT 0, decided_ms INTEGER NOT NULL DEFAULT 0, handed_ms INTEGER, delivered_ms INTEGER, acknowledged_ms INTEGER, next_ms INTEGER NOT NULL DEFAULT 0, reference TEXT NOT NULL DEFAULT '') STRICT;
CREATE TABLE device (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL,
    place TEXT NOT NULL,
    group_id TEXT,
    state TEXT NOT NULL,    -- online, lost, unknown
    life TEXT,
    boot INTEGER,
    born_ms INTEGER,
    watch_s INTEGER NOT NULL, -- lost after this long without a message
    last_seen_ms INTEGER,
    firmware TEXT NOT NULL,
    rssi INTEGER,
    battery INTEGER,
    mains INTEGER,
    refused INTEGER NOT NULL,
    faults TEXT NOT NULL    -- JSON object: fault -> words
, lost_ms INTEGER, app TEXT NOT NULL DEFAULT '', updating TEXT NOT NULL DEFAULT '', settled TEXT) STRICT, WITHOUT ROWID;
CREATE TABLE engine (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    life TEXT NOT NULL,     -- made with this file
    boot INTEGER NOT NULL   -- counts starts of the engine
) STRICT;
CREATE TABLE event (
    seq INTEGER PRIMARY KEY,
    id TEXT NOT NULL,
    device TEXT NOT NULL,
    point TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    received_ms INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    at_from TEXT NOT NULL,  -- age, t or before
    raw TEXT NOT NULL       -- the payload as it came; for a point that only a birth listed, empty
) STRICT;
CREATE TABLE fault (
    key TEXT PRIMARY KEY,   -- of the gateway itself: sms, sia:police, roster
    since_ms INTEGER NOT NULL,
    words TEXT NOT NULL
, name TEXT NOT NULL DEFAULT '', names TEXT NOT NULL DEFAULT '[]', told_ms INTEGER, line INTEGER) STRICT, WITHOUT ROWID;
CREATE TABLE flashed (
    device TEXT PRIMARY KEY,
    mac TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    person TEXT NOT NULL,
    result TEXT NOT NULL    -- protocol.boards.Flashed
) STRICT, WITHOUT ROWID;
CREATE TABLE incident (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,    -- open, acknowledged, resolved
    opened_ms INTEGER NOT NULL,
    snapshot TEXT NOT NULL, -- protocol.messages.Incident as last published
    core TEXT NOT NULL      -- gateway.domain.snapshots.Core: with the snapshot, all to go on from after a start
) STRICT;
CREATE TABLE maintenance (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    device TEXT NOT NULL,
    place TEXT NOT NULL,
    point TEXT NOT NULL,    -- empty: the whole board
    what TEXT NOT NULL,     -- gateway.domain.maintenance.What
    detail TEXT NOT NULL
, times INTEGER NOT NULL DEFAULT 1, last_ms INTEGER, part_of INTEGER) STRICT;
CREATE TABLE point (
    device TEXT NOT NULL,
    point TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    event TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (device, point)
) STRICT, WITHOUT ROWID;
CREATE TABLE report (
    id INTEGER PRIMARY KEY,
    device TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    up INTEGER NOT NULL,
    heap INTEGER NOT NULL,
    rssi INTEGER,
    mains INTEGER,
    battery INTEGER,
    waiting INTEGER NOT NULL,
    dropped INTEGER NOT NULL,
    refused INTEGER NOT NULL,
    measured TEXT           -- JSON object, or null where there is nothing
) STRICT;
CREATE TABLE ring (
    group_id TEXT PRIMARY KEY,
    rev INTEGER NOT NULL,
    body TEXT NOT NULL      -- gateway.domain.ringing.Order
) STRICT, WITHOUT ROWID;
CREATE TABLE rubbish (
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    why TEXT NOT NULL,
    first BLOB NOT NULL,
    PRIMARY KEY (device, kind)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX event_identity ON event (id, device, point, type, state);
CREATE INDEX incident_unresolved ON incident (number) WHERE state <> 'resolved';
CREATE INDEX delivery_waiting ON delivery (channel, id) WHERE state = 'waiting';
CREATE INDEX delivery_handed ON delivery (channel, id) WHERE state = 'handed';
CREATE INDEX delivery_incident ON delivery (incident, id);
CREATE TRIGGER campaign_gone AFTER DELETE ON campaign BEGIN
    DELETE FROM board_update WHERE campaign = OLD.number;
END;
INSERT INTO engine VALUES (1, '5be07711', 11);
INSERT INTO device VALUES('H03-07','household','Hộ mẫu 03-07','TLG-03','online','9c41f2aa',17,1795300000000,80,1795300010000,'0.1.0',NULL,NULL,NULL,0,'{}',NULL,'','','TLG-03');
INSERT INTO flashed VALUES('H03-07','240ac4000007',1795300000000,'ky-thuat-1','{"board":"esp32_wroom","image":"1.29.0","program":"0123456789abcdef","version":"0.1.0","port":"/dev/ttyUSB0"}');
