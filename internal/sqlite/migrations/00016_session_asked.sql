-- +goose Up
ALTER TABLE sessions ADD COLUMN asked TEXT NOT NULL DEFAULT '';
