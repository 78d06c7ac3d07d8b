-- A database of version 1 with a little in it: the schema as it was, and some rows.

CREATE TABLE engine (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    life TEXT NOT NULL,     -- made with this file
    boot INTEGER NOT NULL   -- counts starts of the engine
) STRICT;

-- The journal: every fact that a board was given a receipt for. An id alone does not make a repeat: see docs/wire.md, Identity.
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
CREATE UNIQUE INDEX event_identity ON event (id, device, point, type, state);

-- The last known state of each point of each board.
CREATE TABLE point (
    device TEXT NOT NULL,
    point TEXT NOT NULL,
    type TEXT NOT NULL,
    state TEXT NOT NULL,
    event TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (device, point)
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    state TEXT NOT NULL,    -- open, acknowledged, resolved
    opened_ms INTEGER NOT NULL,
    snapshot TEXT NOT NULL, -- protocol.messages.Incident as last published
    core TEXT NOT NULL      -- gateway.domain.snapshots.Core: with the snapshot, all to go on from after a start
) STRICT;
CREATE INDEX incident_unresolved ON incident (number) WHERE state <> 'resolved';

-- The newest ring order of each group: committed before it is sent.
CREATE TABLE ring (
    group_id TEXT PRIMARY KEY,
    rev INTEGER NOT NULL,
    body TEXT NOT NULL      -- gateway.domain.ringing.Order
) STRICT, WITHOUT ROWID;

CREATE TABLE maintenance (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    device TEXT NOT NULL,
    place TEXT NOT NULL,
    point TEXT NOT NULL,    -- empty: the whole board
    what TEXT NOT NULL,     -- gateway.domain.maintenance.What
    detail TEXT NOT NULL
) STRICT;

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
) STRICT;
CREATE INDEX delivery_waiting ON delivery (channel, id) WHERE state = 'waiting';

-- Desk commands by person, with their answer: a repeat is answered again and not done again.
CREATE TABLE command (
    person TEXT NOT NULL,
    id TEXT NOT NULL,
    at_ms INTEGER NOT NULL,
    request TEXT NOT NULL,  -- protocol.messages.Command
    answer TEXT NOT NULL,   -- protocol.messages.CommandAnswer
    PRIMARY KEY (person, id)
) STRICT, WITHOUT ROWID;

-- Written when a board is born, lost or back; last seen and measured values with the batches of reports.
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

-- What nobody could read, counted by sender and kind of topic, with the first of each for the technician.
CREATE TABLE rubbish (
    device TEXT NOT NULL,
    kind TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_ms INTEGER NOT NULL,
    why TEXT NOT NULL,
    first BLOB NOT NULL,
    PRIMARY KEY (device, kind)
) STRICT, WITHOUT ROWID;

INSERT INTO engine VALUES (1, '5be07711', 7);
INSERT INTO event (id, device, point, type, state, received_ms, at_ms, at_from, raw) VALUES ('9c41f2aa-1-1', 'H03-07', 'button-1', 'button', 'active', 1795300000035, 1795300000000, 'age', '{}');
INSERT INTO delivery VALUES (1, '2026-000001', 'city', 'opened', 'delivered', 1, 1795300001000, '', '{"v":1}');
INSERT INTO delivery VALUES (2, '2026-000001', 'city', 'resolved', 'waiting', 3, 1795300009000, 'status 503', '{"v":1}');
