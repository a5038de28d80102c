// Command layercover fails when a package below internal/ or cmd/ matches no
// depguard rule: such a package could import anything, unseen. It fails, too, when
// docs/architecture.md does not name a package below internal/.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gobwas/glob"
	"go.yaml.in/yaml/v3"
)

type lintConfig struct {
	Linters struct {
		Settings struct {
			Depguard struct {
				Rules map[string]struct {
					Files []string `yaml:"files"`
				} `yaml:"rules"`
			} `yaml:"depguard"`
		} `yaml:"settings"`
	} `yaml:"linters"`
}

func main() {
	root := "."
	if len(os.Args) > 1 {
		root = os.Args[1]
	}
	problems, err := check(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "layercover:", err)
		os.Exit(1)
	}
	for _, problem := range problems {
		fmt.Fprintln(os.Stderr, "layercover:", problem)
	}
	if len(problems) > 0 {
		os.Exit(1)
	}
}

// check returns what is wrong with the packages below root/internal and root/cmd.
func check(root string) ([]string, error) {
	patterns, err := rulePatterns(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		return nil, err
	}
	dirs, err := packages(root)
	if err != nil {
		return nil, err
	}
	var problems []string
	for _, dir := range dirs {
		abs, err := filepath.Abs(filepath.Join(root, dir, "any.go"))
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(patterns, func(g glob.Glob) bool { return g.Match(abs) }) {
			problems = append(problems, dir+" matches no depguard rule in .golangci.yml")
		}
		if !onMap(string(text), dir) {
			problems = append(problems, dir+" is not in docs/architecture.md")
		}
	}
	return problems, nil
}

// onMap reports whether a text names a package, if it is one to be named: what is
// for tests, and the mains, need not be.
func onMap(text, dir string) bool {
	name, internal := strings.CutPrefix(dir, "internal/")
	return !internal || strings.Contains(name, "test") ||
		strings.Contains(text, "`"+name+"`") || strings.Contains(text, "`"+dir+"`")
}

// packages returns the directories below root/internal and root/cmd that have Go
// files other than tests, relative to root.
func packages(root string) ([]string, error) {
	var dirs []string
	for _, top := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, top), func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir
			}
			if d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return nil
			}
			dir, err := filepath.Rel(root, filepath.Dir(path))
			if err != nil {
				return err
			}
			if !slices.Contains(dirs, dir) {
				dirs = append(dirs, dir)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return dirs, nil
}

func rulePatterns(path string) ([]glob.Glob, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var config lintConfig
	if err := yaml.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	var patterns []glob.Glob
	for name, rule := range config.Linters.Settings.Depguard.Rules {
		for _, pattern := range rule.Files {
			if strings.HasPrefix(pattern, "!") || strings.HasPrefix(pattern, "$") {
				continue
			}
			g, err := glob.Compile(pattern, '/')
			if err != nil {
				return nil, fmt.Errorf("rule %s: %q: %w", name, pattern, err)
			}
			patterns = append(patterns, g)
		}
	}
	return patterns, nil
}
