package act_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/acttest"
)

// constants returns the constants of verbs.go whose type is one of types, by name.
func constants(t *testing.T, types ...string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "verbs.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if kind, ok := spec.Type.(*ast.Ident); ok && slices.Contains(types, kind.Name) {
			value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
			if err != nil {
				t.Fatal(err)
			}
			values[spec.Names[0].Name] = value
		}
		return true
	})
	return values
}

// What the doors' tables are tested against is all that there is.
func TestActtestHasEveryVerb(t *testing.T) {
	var listed, options []string
	for _, v := range acttest.Verbs() {
		listed = append(listed, string(v))
		for _, o := range acttest.Options(v) {
			options = append(options, string(o))
		}
	}
	slices.Sort(listed)
	if want := slices.Sorted(maps.Values(constants(t, "Bare", "Named", "InVM"))); !slices.Equal(listed, want) {
		t.Errorf("Verbs has %q\nwant      %q", listed, want)
	}
	slices.Sort(options)
	if want := slices.Sorted(maps.Values(constants(t, "Option"))); !slices.Equal(slices.Compact(options), want) {
		t.Errorf("the verbs have the options %q\nwant %q", options, want)
	}
}

func TestString(t *testing.T) {
	for want, a := range map[string]act.Act{
		"doctor":                              act.Doctor.Do(),
		"daemon stop":                         act.DaemonStop.Do(),
		"vm delete web (force, discard_work)": act.VMDelete.On("web", act.Force, act.DiscardWork),
		"vm delete":                           act.VMDelete.On(""),
		"session stop web s1":                 act.SessionStop.On("web", "s1"),
	} {
		if got := a.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
