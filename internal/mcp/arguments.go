package mcp

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/bangervm/banger/internal/fault"
)

// otherNames are what agents call arguments elsewhere.
func otherNames() map[string][]string {
	return map[string][]string{
		"dir":                {"cwd", "workdir", "working_dir", "working_directory", "directory"},
		"memory_mib":         {"memory", "mem", "ram", "memory_mb", "memory_bytes"},
		"disk_mib":           {"disk", "disk_size", "disk_gb", "disk_bytes"},
		"vcpu":               {"cpu", "cpus", "vcpus", "cores"},
		"timeout_seconds":    {"timeout", "timeout_ms", "timeout_s"},
		"wait_seconds":       {"wait"},
		"command":            {"cmd", "args", "argv", "script"},
		"vm":                 {"name", "vm_name", "vm_id", "id", "box", "machine"},
		"session":            {"name", "session_id", "session_name", "id"},
		"path":               {"file", "filename", "file_path", "filepath"},
		"content":            {"contents", "text", "data", "stdin", "input"},
		"old":                {"old_string", "old_str", "old_text", "search"},
		"new":                {"new_string", "new_str", "new_text", "replace"},
		"all":                {"replace_all"},
		"env":                {"environment"},
		"image":              {"image_name", "ref"},
		"limit":              {"max", "count", "lines", "tail"},
		"limit_bytes":        {"limit", "max_bytes", "length"},
		"output_limit_bytes": {"limit", "max_output", "output_limit"},
		"create_directories": {"mkdir", "parents", "create_dirs"},
		"force":              {"forced"},
		"discard_work":       {"discard"},
		"to":                 {"dest", "destination", "target"},
		"tty":                {"terminal", "pty"},
	}
}

// orNone makes an empty object of arguments that are null.
func orNone(raw json.RawMessage) json.RawMessage {
	if string(bytes.TrimSpace(raw)) == "null" {
		return json.RawMessage("{}")
	}
	return raw
}

// lenient takes from arguments what means nothing (an optional argument that is
// null), makes the command line of a command that is a text, and names the right
// argument for one that does not exist. What is no object is left to the schema.
func lenient(schema *jsonschema.Schema, raw json.RawMessage) (json.RawMessage, error) {
	var given map[string]json.RawMessage
	if err := json.Unmarshal(raw, &given); err != nil || given == nil {
		return raw, nil //nolint:nilerr // the schema says what is wrong with it
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		value := bytes.TrimSpace(given[name])
		property := schema.Properties[name]
		switch {
		case property == nil:
			return nil, unexpected(schema, name)
		case string(value) == "null":
			delete(given, name)
		case property.Items != nil && property.Items.Properties != nil:
			given[name] = lenientItems(property.Items, value)
		case name == "command" && len(value) > 0 && value[0] == '"':
			given[name] = json.RawMessage(`["sh","-c",` + string(value) + `]`)
		}
	}
	return json.Marshal(given)
}

// lenientItems does the same in each object of a list, except for what is
// refused: there the schema speaks.
func lenientItems(schema *jsonschema.Schema, raw json.RawMessage) json.RawMessage {
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return raw
	}
	for i, item := range list {
		if changed, err := lenient(schema, item); err == nil {
			list[i] = changed
		}
	}
	if changed, err := json.Marshal(list); err == nil {
		return changed
	}
	return raw
}

func unexpected(schema *jsonschema.Schema, name string) error {
	all := slices.Sorted(maps.Keys(schema.Properties))
	err := fault.New(fault.Invalid, "unknown argument %q", name)
	lower := strings.ToLower(strings.ReplaceAll(name, "-", "_"))
	for _, right := range all {
		if lower == right || slices.Contains(otherNames()[right], lower) {
			return err.WithHint("use %s; the arguments are %s", right, strings.Join(all, ", "))
		}
	}
	return err.WithHint("the arguments are %s", strings.Join(all, ", "))
}
