-- The console's own database, version 1. Times are Unix milliseconds in columns that end in _ms. Of whatever opens a door only the
-- SHA-256 is kept: who reads this file cannot log in with it.

CREATE TABLE account (
    id TEXT PRIMARY KEY,        -- of the person in the site file, who gives it name, role and territory; or quan-tri
    password TEXT NOT NULL,     -- Argon2id, as a PHC string
    made_ms INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL -- when the password was chosen
) STRICT, WITHOUT ROWID;

-- A code that makes an account, or gives an account another password, once. A new one for the same person replaces it.
CREATE TABLE invitation (
    account TEXT PRIMARY KEY,
    code BLOB NOT NULL UNIQUE,
    made_by TEXT NOT NULL,      -- empty: somebody at the gateway's own terminal
    made_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE session (
    token BLOB PRIMARY KEY,
    account TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    seen_ms INTEGER NOT NULL,
    address TEXT NOT NULL,
    agent TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_account ON session (account);

-- A browser in which somebody has logged in before: whoever guesses elsewhere cannot lock it out.
CREATE TABLE browser (
    token BLOB PRIMARY KEY,
    account TEXT NOT NULL,
    made_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX browser_account ON browser (account);

-- Wrong passwords by what they were tried on or from: account:<id>, browser:<token>, address:<address>.
CREATE TABLE failure (
    key TEXT PRIMARY KEY,
    count INTEGER NOT NULL,
    last_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (
    id INTEGER PRIMARY KEY,
    at_ms INTEGER NOT NULL,
    who TEXT NOT NULL,          -- account; empty: nobody who is known
    what TEXT NOT NULL,         -- gateway.console.people.audit.What
    about TEXT NOT NULL,        -- account, incident, group or home
    detail TEXT NOT NULL,
    address TEXT NOT NULL
) STRICT;
CREATE INDEX audit_who ON audit (who, id);
