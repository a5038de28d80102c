-- +goose Up
ALTER TABLE vms ADD COLUMN ports TEXT NOT NULL DEFAULT 'all'; -- vm.PortsMode
