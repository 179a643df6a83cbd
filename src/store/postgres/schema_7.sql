-- Schema 7: how requests ended.

ALTER TABLE ledger ADD COLUMN outcome text;   -- status of the answer or code of the failure; NULL where it is not known
