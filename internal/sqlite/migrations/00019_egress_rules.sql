-- +goose Up
CREATE TABLE egress_rules (
    scope  TEXT NOT NULL PRIMARY KEY, -- new-vms is the only one
    policy TEXT NOT NULL
) STRICT;
INSERT INTO egress_rules (scope, policy) VALUES ('new-vms', '');
