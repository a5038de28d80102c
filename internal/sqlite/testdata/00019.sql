-- What a database at schema 19 may hold. Never changed: later schemas must keep it.
INSERT INTO vms VALUES ('0000000000000007', 'old-vm', '0123456789ab', 'debian', 'debian-12', 2, 1073741824,
    8589934592, 'auto', '["A=1"]', '{"team":"red"}', 'stopped', 'qemu-tcg', 'guest-poweroff', '', 1,
    'feedfacefeedface', 'boot', 0, 1795435200000000001, 1795435201000000000, 0,
    'user', 257, 'all', 'null', 'all', 0, '', '', 0, 0, '{}', 0, 0, 'null');
INSERT INTO workspaces VALUES ('0000000000000007', 'v', '/src', '/root/repo', 'shallow', 'sha1', 'refs/heads/main', 'c0', 't0', 1,
    't1', 2, 'e', 't2', 't3', 3, '{"branches":["feature"],"stashes":[".","sub"],"work_trees":["wt"],"unread":false}', 4, 's', 1, 't0');
INSERT INTO operations VALUES ('o1', 'vm.start', 'old-vm', 'failed', '[]', 'conflict', 'VM old-vm is running', '[{"text":"say"}]', '', 3, 4);
INSERT INTO operations VALUES ('o2', 'vm.start', 'old-vm', 'succeeded', '[]', '', '', '[]', '{}', 3, 4);
UPDATE egress_rules SET policy = 'allow example.org' WHERE scope = 'new-vms';
