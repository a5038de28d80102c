-- +goose Up
CREATE TABLE workspaces (
    vm_id         TEXT    NOT NULL PRIMARY KEY REFERENCES vms (id) ON DELETE CASCADE,
    vault         TEXT    NOT NULL,
    source        TEXT    NOT NULL,
    path          TEXT    NOT NULL,
    mode          TEXT    NOT NULL,
    format        TEXT    NOT NULL,
    branch        TEXT    NOT NULL,
    head_commit   TEXT    NOT NULL,
    base_tree     TEXT    NOT NULL,
    prepared_at   INTEGER NOT NULL,
    exported_tree TEXT    NOT NULL,
    exported_at   INTEGER NOT NULL,
    offered_id    TEXT    NOT NULL,
    offered_tree  TEXT    NOT NULL,
    tree          TEXT    NOT NULL,
    files         INTEGER NOT NULL,
    insertions    INTEGER NOT NULL,
    deletions     INTEGER NOT NULL,
    elsewhere     TEXT    NOT NULL, -- JSON array of names of branches
    measured_at   INTEGER NOT NULL,
    start_id      TEXT    NOT NULL,
    final         INTEGER NOT NULL
) STRICT;
