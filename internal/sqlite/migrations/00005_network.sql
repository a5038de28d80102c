-- +goose Up
ALTER TABLE vms ADD COLUMN network TEXT NOT NULL DEFAULT 'user';
ALTER TABLE vms ADD COLUMN net_index INTEGER NOT NULL DEFAULT 0;
ALTER TABLE vms ADD COLUMN egress TEXT NOT NULL DEFAULT 'all'; -- the policy's canonical text
ALTER TABLE vms ADD COLUMN publish TEXT NOT NULL DEFAULT 'null'; -- JSON array
UPDATE vms SET net_index = rowid + 256;
CREATE UNIQUE INDEX vms_net_index ON vms (net_index);
