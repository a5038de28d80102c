-- Times are nanoseconds since 1970 UTC, 0 when it has not happened; sizes are bytes.
-- +goose Up
CREATE TABLE vms (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL UNIQUE,
    image_id      TEXT    NOT NULL,
    image         TEXT    NOT NULL,
    kernel        TEXT    NOT NULL,
    vcpu          INTEGER NOT NULL CHECK (vcpu > 0),
    memory_bytes  INTEGER NOT NULL CHECK (memory_bytes > 0),
    disk_bytes    INTEGER NOT NULL CHECK (disk_bytes > 0),
    init          TEXT    NOT NULL,
    env           TEXT    NOT NULL, -- JSON array of "K=V"
    labels        TEXT    NOT NULL, -- JSON object
    state         TEXT    NOT NULL,
    driver        TEXT    NOT NULL,
    exit_reason   TEXT    NOT NULL,
    exit_message  TEXT    NOT NULL,
    reset_pending INTEGER NOT NULL,
    start_id      TEXT    NOT NULL,
    host_boot_id  TEXT    NOT NULL,
    provisional   INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    started_at    INTEGER NOT NULL,
    stopped_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX vms_created_at ON vms (created_at, id);
