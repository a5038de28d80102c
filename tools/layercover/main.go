// Command layercover fails when a package below internal/ or cmd/ matches no
// depguard rule: such a package could import anything, unseen.
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
	uncovered, err := check(root)
	if err != nil {
		fmt.Fprintln(os.Stderr, "layercover:", err)
		os.Exit(1)
	}
	for _, dir := range uncovered {
		fmt.Fprintf(os.Stderr, "layercover: %s matches no depguard rule in .golangci.yml\n", dir)
	}
	if len(uncovered) > 0 {
		os.Exit(1)
	}
}

// check returns the package directories below root/internal and root/cmd that
// no rule covers.
func check(root string) ([]string, error) {
	patterns, err := rulePatterns(filepath.Join(root, ".golangci.yml"))
	if err != nil {
		return nil, err
	}
	var uncovered []string
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
			abs, err := filepath.Abs(path)
			if err != nil {
				return err
			}
			dir := filepath.Dir(path)
			covered := slices.ContainsFunc(patterns, func(g glob.Glob) bool { return g.Match(abs) })
			if !covered && !slices.Contains(uncovered, dir) {
				uncovered = append(uncovered, dir)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return uncovered, nil
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
