-- +goose Up
ALTER TABLE workspaces ADD COLUMN applied_tree TEXT NOT NULL DEFAULT '';
ALTER TABLE workspaces DROP COLUMN insertions;
ALTER TABLE workspaces DROP COLUMN deletions;
