package mcp

import (
	"context"
	"fmt"

	"github.com/google/jsonschema-go/jsonschema"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// effect says what a tool does to its world, as the protocol's hints do.
type effect struct {
	readOnly    bool
	destructive bool // what it changes may be lost
	idempotent  bool // a second call with the same arguments changes nothing more
	openWorld   bool // it reaches what banger does not govern
}

// spec describes a tool.
type spec struct {
	name, title, description string
	effect                   effect
	// bounds are the limits of the arguments.
	bounds bounds
}

func (e effect) annotations(title string) *sdk.ToolAnnotations {
	return &sdk.ToolAnnotations{
		Title: title, ReadOnlyHint: e.readOnly, IdempotentHint: e.idempotent,
		DestructiveHint: &e.destructive, OpenWorldHint: &e.openWorld,
	}
}

// addTool adds a tool whose schemas come from In and Out. A mistake in them is
// one in this program.
func addTool[In, Out any](s *Server, t spec, do func(context.Context, *sdk.CallToolRequest, In) (Out, error)) {
	in, out := schemaOf[In](t.name), schemaOf[Out](t.name)
	t.bounds.apply(t.name, in)
	tool := &sdk.Tool{
		Name: t.name, Title: t.title, Description: t.description,
		Annotations: t.effect.annotations(t.title), InputSchema: in, OutputSchema: out,
	}
	s.inputs[t.name] = in
	sdk.AddTool(s.server, tool, func(ctx context.Context, req *sdk.CallToolRequest, args In) (*sdk.CallToolResult, Out, error) {
		result, err := do(ctx, req, args)
		if err != nil {
			return nil, result, handlerError{err}
		}
		return nil, result, nil
	})
}

func schemaOf[T any](tool string) *jsonschema.Schema {
	schema, err := jsonschema.For[T](nil)
	if err != nil {
		panic(fmt.Sprintf("mcp: the schema of %s: %v", tool, err))
	}
	withoutNull(schema)
	return schema
}

// withoutNull drops null as an alternative: what is optional is left out.
func withoutNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if len(s.Types) == 2 && s.Types[0] == "null" {
		s.Type, s.Types = s.Types[1], nil
	}
	withoutNull(s.Items)
	for _, p := range s.Properties {
		withoutNull(p)
	}
}

// limit bounds one argument.
type limit func(*jsonschema.Schema)

// bounds are the limits of a tool's arguments, by name.
type bounds map[string][]limit

func (b bounds) apply(tool string, schema *jsonschema.Schema) {
	for name, limits := range b {
		property := schema.Properties[name]
		if property == nil {
			panic(fmt.Sprintf("mcp: %s has no argument %s", tool, name))
		}
		for _, l := range limits {
			l(property)
		}
	}
}

// length bounds a text, in characters.
func length(least, most int) limit {
	return func(s *jsonschema.Schema) { s.MinLength, s.MaxLength = &least, &most }
}

// between bounds a number.
func between(least, most float64) limit {
	return func(s *jsonschema.Schema) { s.Minimum, s.Maximum = &least, &most }
}

// items bounds a list, and the length of each text in it.
func items(least, most, longest int) limit {
	return func(s *jsonschema.Schema) {
		s.MinItems, s.MaxItems = &least, &most
		s.Items.MaxLength = &longest
	}
}

// entries bounds a map of texts.
func entries(most, longestKey, longest int) limit {
	return func(s *jsonschema.Schema) {
		one := 1
		s.MaxProperties = &most
		s.PropertyNames = &jsonschema.Schema{MinLength: &one, MaxLength: &longestKey}
		s.AdditionalProperties.MaxLength = &longest
	}
}

func matching(pattern string) limit { return func(s *jsonschema.Schema) { s.Pattern = pattern } }

func oneOf(values ...string) limit {
	return func(s *jsonschema.Schema) {
		for _, v := range values {
			s.Enum = append(s.Enum, v)
		}
	}
}

// fallback is what an argument is when it is left out, as JSON.
func fallback(value string) limit {
	return func(s *jsonschema.Schema) { s.Default = []byte(value) }
}

// Limits that several tools have.
const (
	maxName    = 64
	maxImage   = 512 // of a name or a reference
	maxPath    = 4096
	maxMapKeys = 256
)

func vmName() []limit       { return []limit{length(1, maxName)} }
func absolutePath() []limit { return []limit{length(1, maxPath), matching("^/")} }
func environment() []limit {
	return []limit{entries(maxMapKeys, 256, 32<<10), func(s *jsonschema.Schema) { s.PropertyNames.Pattern = "^[^=]+$" }}
}
