-- +goose Up
-- What is elsewhere is a JSON object: branches, stashes, linked work trees, and
-- whether nobody knows. It was an array of phrases.
UPDATE workspaces SET elsewhere = json_object(
    'branches', json((SELECT json_group_array(value) FROM json_each(workspaces.elsewhere)
        WHERE value NOT IN ('stash', 'branches that git in the guest does not read')
            AND value NOT LIKE 'uncommitted changes in the work tree %' AND value NOT LIKE '%:stash')),
    'stashes', json((SELECT json_group_array(CASE value WHEN 'stash' THEN '.' ELSE substr(value, 1, length(value) - length(':stash')) END)
        FROM json_each(workspaces.elsewhere)
        WHERE value = 'stash' OR value LIKE '%:stash')),
    'work_trees', json((SELECT json_group_array(substr(value, length('uncommitted changes in the work tree ') + 1))
        FROM json_each(workspaces.elsewhere)
        WHERE value LIKE 'uncommitted changes in the work tree %')),
    'unread', json(CASE WHEN EXISTS (SELECT 1 FROM json_each(workspaces.elsewhere)
        WHERE value = 'branches that git in the guest does not read') THEN 'true' ELSE 'false' END));
