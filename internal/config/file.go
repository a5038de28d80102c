package config

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/bangervm/banger/internal/fault"
)

// applyFile lays the file's values over c.
func (c *Config) applyFile(data []byte, from Sources) error {
	var tree map[string]any
	if err := toml.Unmarshal(data, &tree); err != nil {
		return tomlError(err)
	}
	lines := keyLines(data)
	values := map[string]any{}
	if hosts, ok := tree[registryTable].(map[string]any); ok && len(hosts) > 0 {
		delete(tree, registryTable) // hosts have dots
		from[registryTable] = FromFile
	}
	if table, ok := tree[tuiTable].(map[string]any); ok && len(table) > 0 {
		delete(tree, tuiTable) // its keys are the user's choice
		from[tuiTable] = FromFile
	}
	flatten("", tree, values)
	known := map[string]Key{}
	for _, key := range Keys() {
		known[key.Name] = key
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		key, ok := known[name]
		switch {
		case ok:
			text, err := key.text(values[name])
			if err == nil {
				err = key.set(c, text)
			}
			if err != nil {
				return at(lines, name, err).WithHint("for example: %s", key.Example)
			}
			from[name] = FromFile
		case slices.Contains(tableNames(), name):
			from[name] = FromFile
		default:
			return at(lines, name, unknown("key", name, keyNames()))
		}
	}
	return c.applyTables(data, lines)
}

// registryTable is the table of tables whose names are registries' hosts.
const registryTable = "registry"

// tableKeys are the keys of each array of tables, and of a registry's table.
func tableKeys() map[string][]string {
	return map[string][]string{
		"files":       {"preset", "host", "guest", "mode"},
		"catalogs":    {"url", "key", "sha256"},
		registryTable: {"mirrors", "ca_file", "insecure"},
		tuiTable:      {tuiKeys},
	}
}

func tableNames() []string { return slices.Sorted(maps.Keys(tableKeys())) }

// applyTables reads the arrays of tables.
func (c *Config) applyTables(data []byte, lines map[string]int) error {
	var part struct {
		Files      []File              `toml:"files"`
		Catalogs   []Catalog           `toml:"catalogs"`
		Registries map[string]Registry `toml:"registry"`
		TUI        TUI                 `toml:"tui"`
		Rest       map[string]any
	}
	err := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&part)
	if strict, ok := errors.AsType[*toml.StrictMissingError](err); ok {
		err = nil
		for _, missing := range strict.Errors {
			key := missing.Key()
			if known, ok := tableKeys()[key[0]]; ok {
				row, _ := missing.Position()
				err := fault.New(fault.Invalid, "line %d: unknown key %q", row, strings.Join(key, "."))
				if near := meant(key[len(key)-1], known); near != "" {
					return err.WithHint("did you mean %s.%s?", key[0], near)
				}
				return err.WithHint("the keys of %s are %s", key[0], strings.Join(known, ", "))
			}
		}
	}
	if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
		name := strings.Join(bad.Key(), ".")
		return at(lines, name, notForm("this", formOf(bad.Key())))
	}
	c.Files, c.Catalogs, c.Registries, c.TUI = part.Files, part.Catalogs, part.Registries, part.TUI
	return err
}

// formOf is what a key of tables must be.
func formOf(key []string) form {
	_, table := tableKeys()[key[0]]
	switch last := key[len(key)-1]; {
	case key[0] == registryTable && len(key) < 3:
		return `a [registry."HOST"] table`
	case table && len(key) == 1:
		return form("[[" + last + "]] tables")
	case key[0] == registryTable && last == "mirrors":
		return formList
	case key[0] == registryTable && last == "insecure":
		return formSwitch
	}
	return formText
}

// flatten puts what is in tables under dotted names. Keys keep what is no
// table, and an array of tables, whole.
func flatten(prefix string, tree, into map[string]any) {
	for name, value := range tree {
		if table, ok := value.(map[string]any); ok && len(table) > 0 {
			flatten(prefix+name+".", table, into)
			continue
		}
		if table, ok := value.(map[string]any); ok && len(table) == 0 && isTable(prefix+name) {
			continue
		}
		into[prefix+name] = value
	}
}

func isTable(name string) bool {
	return slices.ContainsFunc(Keys(), func(k Key) bool { return strings.HasPrefix(k.Name, name+".") })
}

// text is a TOML value as the variable would have it, if it is of the key's type.
func (k Key) text(value any) (string, error) {
	switch v := value.(type) {
	case string:
		if k.form == formText || k.form == formSize {
			return v, nil
		}
	case int64:
		if k.form == formNumber || k.form == formSize {
			return strconv.FormatInt(v, 10), nil
		}
	case bool:
		if k.form == formSwitch {
			return strconv.FormatBool(v), nil
		}
	case []any:
		texts := make([]string, 0, len(v))
		for _, item := range v {
			text, ok := item.(string)
			if !ok || k.form != formList {
				return "", notForm(described(value), k.form)
			}
			texts = append(texts, text)
		}
		if k.form == formList {
			return strings.Join(texts, ","), nil
		}
	}
	return "", notForm(described(value), k.form)
}

// described is a TOML value as a message shows it.
func described(value any) string {
	switch v := value.(type) {
	case string:
		return strconv.Quote(v)
	case []any:
		return "a list"
	case map[string]any:
		return "a table"
	default:
		return fmt.Sprint(v)
	}
}

func notForm(value string, want form) error {
	return fault.New(fault.Invalid, "%s is not %s", value, want)
}

func notOneOf(value string, all ...string) error {
	return fault.New(fault.Invalid, "%q is not one of %s", value, strings.Join(all, ", "))
}

// at says on which line of the file the key stands.
func at(lines map[string]int, name string, err error) *fault.Error {
	for known := name; ; {
		if line, ok := lines[known]; ok {
			if strings.Contains(err.Error(), strconv.Quote(name)) {
				return fault.Wrap(fault.Invalid, err, "line %d", line).WithHint("%s", fault.HintOf(err))
			}
			return fault.Wrap(fault.Invalid, err, "line %d: %s", line, name).WithHint("%s", fault.HintOf(err))
		}
		cut := strings.LastIndexByte(known, '.')
		if cut < 0 {
			return fault.Wrap(fault.Invalid, err, "%s", name).WithHint("%s", fault.HintOf(err))
		}
		known = known[:cut]
	}
}

func tomlError(err error) error {
	if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, column := bad.Position()
		return fault.New(fault.Invalid, "line %d, column %d: %s", row, column, strings.TrimPrefix(bad.Error(), "toml: "))
	}
	return err
}

// keyLines tells on which line each key stands first. The file is valid.
func keyLines(data []byte) map[string]int {
	lines := map[string]int{}
	var p unstable.Parser
	p.Reset(data)
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		name, line := "", 0
		for it := e.Key(); it.Next(); {
			if line == 0 {
				line = p.Shape(it.Node().Raw).Start.Line
			}
			name += "." + string(it.Node().Data)
		}
		name = strings.TrimPrefix(name, ".")
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = name + "."
		case unstable.KeyValue:
			name = table + name
		default:
			continue
		}
		if _, ok := lines[name]; !ok {
			lines[name] = line
		}
	}
	return lines
}
