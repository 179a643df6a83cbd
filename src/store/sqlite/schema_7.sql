-- Schema 7: how requests ended.

ALTER TABLE ledger ADD COLUMN outcome TEXT;   -- status of the answer or code of the failure; NULL where it is not known
