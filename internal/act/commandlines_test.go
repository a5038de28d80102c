package act_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/acttest"
)

// aCommandLine is what only the command line's door writes.
var aCommandLine = regexp.MustCompile(`\bbanger (vm|image|kernel|daemon|doctor|config|version|mcp|ssh-config|run|exec|ssh|ls|rm|logs|ports)\b`)

// aFlag is a flag of banger in a text. A literal that is a flag and nothing else, or
// begins with one, is an argument for another program.
var aFlag = regexp.MustCompile(`[^-\w]--(` + strings.Join(bangersFlags(), "|") + `)\b|^--(` + strings.Join(bangersFlags(), "|") + `)[ ]`)

// bangersFlags are flags that hints could name.
func bangersFlags() []string {
	return []string{
		"all", "available", "base-commit", "discard-work", "disk", "driver", "force", "format", "image", "kernel", "memory",
		"mode", "name", "network", "path", "ports", "publish", "replace", "rescue", "timeout", "vcpu", "wait",
	}
}

// ofTheCommandLine reports whether a string literal has a command line or a flag of
// banger. Commands of other programs are told by their names.
func ofTheCommandLine(literal string) bool {
	text, err := strconv.Unquote(literal)
	others := strings.Contains(text, "git ") || strings.Contains(text, "podman ") || strings.Contains(text, "docker ")
	return err != nil || aCommandLine.MatchString(text) || aFlag.MatchString(text) && !others
}

// TestNoCommandLinesOutsideTheirDoor: what a user could do stands as an act wherever it
// is proposed, since it may be read in another door.
func TestNoCommandLinesOutsideTheirDoor(t *testing.T) {
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (path == filepath.Join("..", "cli") || path == filepath.Join("..", "act", "cmdline")):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		for _, found := range misused(t, path) {
			t.Error(found)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// misused tells of the command lines in a file, and of verbs that are given options
// which they do not take.
func misused(t *testing.T, path string) []string {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	names := constants(t, "Bare", "Named", "InVM", "Option")
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BasicLit:
			if n.Kind == token.STRING && ofTheCommandLine(n.Value) {
				found = append(found, files.Position(n.Pos()).String()+": of the command line: "+n.Value)
			}
		case *ast.CallExpr:
			if what := wrongOption(n, names); what != "" {
				found = append(found, files.Position(n.Pos()).String()+": "+what)
			}
		}
		return true
	})
	return found
}

// wrongOption says which option in a call like act.VMStart.On(name, act.Rescue) its verb
// does not take.
func wrongOption(call *ast.CallExpr, names map[string]string) string {
	method, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	verb := act.Verb(names[constantOfAct(method.X)])
	for _, arg := range call.Args {
		option := act.Option(names[constantOfAct(arg)])
		if verb != "" && option != "" && !slices.Contains(acttest.Options(verb), option) {
			return string(verb) + " takes no option " + string(option)
		}
	}
	return ""
}

// constantOfAct is X in act.X.
func constantOfAct(e ast.Expr) string {
	selected, ok := e.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	if of, ok := selected.X.(*ast.Ident); !ok || of.Name != "act" {
		return ""
	}
	return selected.Sel.Name
}

func TestAWrongOptionIsFound(t *testing.T) {
	names := constants(t, "Named", "Option")
	for text, want := range map[string]string{
		`act.VMStart.On(name, act.Rescue)`:                  "",
		`act.VMStart.On(name, act.Force)`:                   "vm.start takes no option force",
		`act.VMDelete.On("x", act.DiscardWork, act.Rescue)`: "vm.delete takes no option rescue",
		`other(act.Force)`:                                  "",
	} {
		call, err := parser.ParseExpr(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := wrongOption(call.(*ast.CallExpr), names); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

func TestACommandLineIsFound(t *testing.T) {
	for text, want := range map[string]bool{
		"banger vm start web": true, "see `banger doctor`": true, "banger rm --force NAME": true,
		"a newer banger wrote it": false, "banger cannot read it": false, "bangerd logs": false,
	} {
		if aCommandLine.MatchString(text) != want {
			t.Errorf("%q: want %v", text, want)
		}
	}
}

func TestAFlagIsFound(t *testing.T) {
	for text, want := range map[string]bool{
		`"choose one with --name"`: true, `"--format bundle"`: true, `"--base-commit COMMIT, or --format patch"`: true,
		`"use, for example, --vcpu 2"`: true, `"--format"`: false, `"--mode=755"`: false, `"--verify"`: false, `"git fetch --all"`: false,
		`"podman save --format oci-archive"`: false, `"never -- name it"`: false,
	} {
		if ofTheCommandLine(text) != want {
			t.Errorf("%s: want %v", text, want)
		}
	}
}
