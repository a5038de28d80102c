package cli

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// The output formats.
const (
	formatTable = "table"
	formatJSON  = "json"
	formatYAML  = "yaml"
	formatName  = "name"
)

// format is the value of -o.
type format string

func (f *format) String() string { return string(*f) }

// Set is part of pflag.Value.
func (f *format) Set(text string) error {
	formats := []string{formatTable, formatJSON, formatYAML, formatName}
	if !slices.Contains(formats, text) {
		return &usageError{
			message: "unknown output format " + quote(text),
			hint:    "-o " + strings.Join(formats, "|"),
		}
	}
	*f = format(text)
	return nil
}

// Type is part of pflag.Value.
func (f *format) Type() string { return formatKind }

const formatKind = "FORMAT"

// formatFlag adds -o to cmd.
func formatFlag(cmd *cobra.Command) *format {
	f := format(formatTable)
	cmd.Flags().VarP(&f, "output", "o", "output `FORMAT`: table, json, yaml or name")
	complete(cmd, "output", formatTable, formatJSON, formatYAML, formatName)
	return &f
}

// listFormatFlag adds -o and -q to cmd, which lists. Of several the last holds.
func listFormatFlag(cmd *cobra.Command) *format {
	f := formatFlag(cmd)
	cmd.Flags().BoolFuncP("quiet", "q", "print only names, as -o name does", func(value string) error {
		quiet, err := strconv.ParseBool(value)
		if quiet {
			*f = formatName
		}
		return err
	})
	return f
}

// complete offers values for a flag.
func complete(cmd *cobra.Command, flag string, values ...string) {
	// The only error is that cmd has no such flag.
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

// view is how things of type T are shown.
type view[T any] struct {
	columns []column[T] // of a listing
	fields  []column[T] // of one alone
	name    func(T) string
}

// list prints a listing. JSON and YAML are arrays, also when empty.
func (v view[T]) list(a *App, f format, items []T) error {
	switch f {
	case formatJSON, formatYAML:
		if items == nil {
			items = []T{}
		}
		return a.printValue(f, items)
	case formatName:
		var b strings.Builder
		for _, item := range items {
			b.WriteString(v.name(item) + "\n")
		}
		return a.print(b.String())
	default:
		return a.print(renderTable(items, v.columns, a.colour(a.Out)))
	}
}

// show prints one thing.
func (v view[T]) show(a *App, f format, item T) error {
	switch f {
	case formatJSON, formatYAML:
		return a.printValue(f, item)
	case formatName:
		return a.print(v.name(item) + "\n")
	default:
		return a.print(renderFields(item, v.fields, a.colour(a.Out)))
	}
}

// printValue writes v as JSON or YAML.
func (a *App) printValue(f format, v any) error {
	text, err := encodeValue(f, v)
	if err != nil {
		return err
	}
	return a.print(text)
}

// encodeValue is v as JSON or YAML, with the same names and in the same order.
func encodeValue(f format, v any) (string, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	if f == formatYAML {
		return yamlFromJSON(b.Bytes())
	}
	return escapeUnseen(b.String(), ""), nil
}

func (a *App) print(text string) error {
	_, err := a.Out.WriteString(text)
	return err
}

// say writes a line for people to stderr.
func (a *App) say(text string) { _, _ = a.Err.WriteString(text + "\n") }
