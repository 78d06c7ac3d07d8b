-- Version 2: messages to people beside those to programs, with the time of each step; and what is wrong with the gateway itself.

ALTER TABLE delivery ADD COLUMN person TEXT NOT NULL DEFAULT '';     -- whom it is for; empty: a program
ALTER TABLE delivery ADD COLUMN address TEXT NOT NULL DEFAULT '';    -- phone number, name of a target or receiver; empty: the channel knows it
ALTER TABLE delivery ADD COLUMN step INTEGER NOT NULL DEFAULT 0;     -- of the ladder, from 1; 0: told by no ladder
ALTER TABLE delivery ADD COLUMN decided_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE delivery ADD COLUMN handed_ms INTEGER;                   -- the modem, the server, the receiver has it
ALTER TABLE delivery ADD COLUMN delivered_ms INTEGER;                -- it says that it has arrived
ALTER TABLE delivery ADD COLUMN acknowledged_ms INTEGER;             -- the person has answered
ALTER TABLE delivery ADD COLUMN next_ms INTEGER NOT NULL DEFAULT 0;  -- no try before
ALTER TABLE delivery ADD COLUMN reference TEXT NOT NULL DEFAULT '';  -- what the channel calls it: a report that comes later names it
-- `state` is waiting, handed, delivered, acknowledged or failed from here on; `channel` is sms, voice, or <kind>:<name>.
UPDATE delivery SET channel = 'webhook:' || channel, decided_ms = at_ms, next_ms = at_ms;
UPDATE delivery SET handed_ms = at_ms, delivered_ms = at_ms WHERE state = 'delivered';
CREATE INDEX delivery_handed ON delivery (channel, id) WHERE state = 'handed';
CREATE INDEX delivery_incident ON delivery (incident, id);

CREATE TABLE fault (
    key TEXT PRIMARY KEY,   -- of the gateway itself: sms, sia:police, roster
    since_ms INTEGER NOT NULL,
    words TEXT NOT NULL
) STRICT, WITHOUT ROWID;
