-- Version 6: a board on its way to another group keeps the rights of the one before.

ALTER TABLE device ADD COLUMN settled TEXT;  -- the group that it has shown in a birth while it was its own; null: none yet
UPDATE device SET settled = group_id;
