-- +goose Up
ALTER TABLE vms ADD COLUMN boot_timeline TEXT NOT NULL DEFAULT '{}';
