-- Schema 5: the moment of writing beside moments to come, so that a clock that was set back is noticed.

ALTER TABLE pace ADD COLUMN written_at bigint;    -- NULL where an earlier version wrote the row
ALTER TABLE holds ADD COLUMN written_at bigint;
