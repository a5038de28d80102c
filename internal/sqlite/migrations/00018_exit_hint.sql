-- +goose Up
ALTER TABLE vms ADD COLUMN exit_hint TEXT NOT NULL DEFAULT 'null';
