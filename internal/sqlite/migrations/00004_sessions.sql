-- +goose Up
CREATE TABLE sessions (
    id             TEXT    NOT NULL PRIMARY KEY,
    vm_id          TEXT    NOT NULL REFERENCES vms (id) ON DELETE CASCADE,
    start_id       TEXT    NOT NULL, -- the VM's start that it belongs to
    name           TEXT    NOT NULL,
    command        TEXT    NOT NULL, -- JSON array
    mode           TEXT    NOT NULL,
    dir            TEXT    NOT NULL,
    user           TEXT    NOT NULL,
    state          TEXT    NOT NULL,
    exit_code      INTEGER NOT NULL,
    signal         TEXT    NOT NULL,
    last_error     TEXT    NOT NULL,
    keep_bytes     INTEGER NOT NULL,
    stdin_bytes    INTEGER NOT NULL,
    stdout_bytes   INTEGER NOT NULL,
    stderr_bytes   INTEGER NOT NULL,
    stdout_dropped INTEGER NOT NULL,
    stderr_dropped INTEGER NOT NULL,
    created_at     INTEGER NOT NULL,
    started_at     INTEGER NOT NULL,
    ended_at       INTEGER NOT NULL,
    UNIQUE (vm_id, name)
) STRICT;
CREATE INDEX sessions_open ON sessions (state) WHERE state IN ('starting', 'running');
