package cli

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// eachCommand calls do with every command that help lists.
func eachCommand(do func(cmd *cobra.Command)) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		do(cmd)
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				walk(c)
			}
		}
	}
	root := testApp().rootCommand()
	root.InitDefaultHelpCmd()
	walk(root)
}

func testApp() *App {
	return &App{LookupEnv: func(string) (string, bool) { return "", false }}
}

// TestFlagsShowDefaults: the help of a flag with a value says what holds without
// it. Some say so by their nature: a filter that is not given filters nothing.
func TestFlagsShowDefaults(t *testing.T) {
	none := map[string]string{
		"env": "none is set", "label": "none is set, or no filter", "publish": "none", "unset-env": "none",
		"require": "none", "remove": "no forward is removed", "file": "TEXT is sent",
		"vm set --name": "unchanged", "vm set --vcpu": "unchanged", "vm set --memory": "unchanged", "vm set --disk": "unchanged", "vm set --kernel": "unchanged", "vm set --nested": "unchanged", "vm set --console": "unchanged", "vm set --driver": "unchanged", "vm set --restart-policy": "unchanged",
		"kernel import --from": "required", "image register --name": "required", "image register --rootfs": "required",
	}
	used := make(map[string]bool)
	eachCommand(func(cmd *cobra.Command) {
		for _, group := range flagGroups(cmd) {
			group.flags.VisitAll(func(f *pflag.Flag) {
				path := strings.TrimPrefix(cmd.CommandPath(), "banger ") + " --" + f.Name
				line := group.flags.FlagUsages()
				line = line[strings.Index(line, "--"+f.Name):]
				line, _, _ = strings.Cut(line, "\n")
				if f.Value.Type() == "bool" || f.NoOptDefVal == "true" || strings.Contains(line, "default") {
					return
				}
				if none[path] == "" && none[f.Name] == "" {
					t.Errorf("%s shows no default: %s", path, line)
				}
				used[path], used[f.Name] = true, true
			})
		}
	})
	for name := range none {
		if !used[name] {
			t.Errorf("%s needs no exception", name)
		}
	}
}

// TestShortTexts: the line of a command in a list is an order that fits it.
func TestShortTexts(t *testing.T) {
	eachCommand(func(cmd *cobra.Command) {
		if cmd.Short == "" || len(cmd.Short) > 62 || strings.HasSuffix(cmd.Short, ".") || !unicode.IsUpper(rune(cmd.Short[0])) {
			t.Errorf("%s: %q", cmd.CommandPath(), cmd.Short)
		}
	})
}

// TestExamplesParse: a command has two examples at least, and each line of them
// is a command line that exists.
func TestExamplesParse(t *testing.T) {
	eachCommand(func(cmd *cobra.Command) {
		shown := 0
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			if strings.TrimSpace(line) == "" {
				continue
			}
			if len(line) > defaultWidth+8 {
				t.Errorf("%s: the example is too long: %s", cmd.CommandPath(), line)
			}
			own := false
			for _, words := range bangerLines(line) {
				called := parseExample(t, cmd, words)
				own = own || called == cmd || !cmd.HasParent()
			}
			if own {
				shown++
			}
		}
		if shown < 2 && !cmd.HasAvailableSubCommands() {
			t.Errorf("%s has %d examples, want 2", cmd.CommandPath(), shown)
		}
	})
}

// parseExample returns the command that words call.
func parseExample(t *testing.T, about *cobra.Command, words []string) *cobra.Command {
	t.Helper()
	called, rest, err := about.Root().Find(words)
	if err != nil || called.HasAvailableSubCommands() {
		t.Errorf("%s: example %q calls no command (%v)", about.CommandPath(), words, err)
		return nil
	}
	err = called.ParseFlags(rest)
	given := called.Flags().Args()
	// Behind NAME these read flags themselves, up to the command.
	if err == nil && (called.Name() == "exec" || called.Name() == "start" && called.Parent().Name() == "session") {
		if len(given) < 2 {
			t.Errorf("%s: example %q has no NAME and CMD", about.CommandPath(), words)
			return called
		}
		err = called.ParseFlags(given[1:])
	} else if err == nil {
		err = called.ValidateArgs(given)
	}
	if err != nil {
		t.Errorf("%s: example %q: %v", about.CommandPath(), words, err)
	}
	return called
}

// bangerLines are the words of each call of banger in a shell's command line.
func bangerLines(line string) [][]string {
	var calls [][]string
	var words []string
	word, inWord, quote := "", false, rune(0)
	endWord := func() {
		if inWord && word == "--" && words[0] != "banger" {
			words = nil // of another program that calls banger
		} else if inWord {
			words = append(words, word)
		}
		word, inWord = "", false
	}
	endCall := func() {
		endWord()
		if len(words) > 0 && strings.Trim(words[0], "\"$(<)") == "banger" {
			calls = append(calls, words[1:])
		}
		words = nil
	}
	for _, r := range line {
		switch {
		case r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case strings.ContainsRune("|&<>()", r):
			endCall()
		case r == ' ':
			endWord()
		default:
			word, inWord = word+string(r), true
		}
	}
	endCall()
	return calls
}

// TestPlainWords: texts that users read keep clear of turns that CONTRIBUTING.md
// forbids.
func TestPlainWords(t *testing.T) {
	forbidden := []string{
		"cannot be had", "of its own", "whoever", "exclude each other", "goes on", "anew", "by themselves", "told as",
		"is of the form", "as it is given", "broke off",
	}
	for _, dir := range []string{".", "../mcp"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no Go files in %s: %v", dir, err)
		}
		for _, name := range files {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			source, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			set := token.NewFileSet()
			file, err := parser.ParseFile(set, name, source, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				literal, ok := n.(*ast.BasicLit)
				for _, words := range forbidden {
					if ok && literal.Kind == token.STRING && strings.Contains(literal.Value, words) {
						t.Errorf("%s: %q in %s", set.Position(literal.Pos()), words, literal.Value)
					}
				}
				return true
			})
		}
	}
}
