-- +goose Up
-- A hint is a JSON array of its parts, each a text or an act.
UPDATE operations SET hint = CASE hint WHEN '' THEN '[]' ELSE json_array(json_object('text', hint)) END;
