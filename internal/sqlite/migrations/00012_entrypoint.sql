-- +goose Up
ALTER TABLE vms ADD COLUMN entrypoint TEXT NOT NULL DEFAULT '';
