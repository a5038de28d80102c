package kmod

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
)

// maxIndex bounds each index file that is read, in bytes, and maxIndexLine each
// line of one.
const (
	maxIndex     = 64 << 20
	maxIndexLine = 1 << 20
)

// index is what the files modules.* say of a tree: see modules.dep(5).
// Modules go by their names, in which '-' is '_'.
type index struct {
	path    map[string]string   // of a module's file, relative to the tree
	deps    map[string][]string // what must be loaded before it, nearest first
	pre     map[string][]string // what should be loaded before it (softdep), if it exists
	alias   map[string][]string // exact aliases only
	builtin map[string]bool
	// builtinKnown is false when the package says nothing of what is built in.
	builtinKnown bool
}

func readIndex(dir string) (*index, error) {
	ix := &index{
		path: map[string]string{}, deps: map[string][]string{}, pre: map[string][]string{},
		alias: map[string][]string{}, builtin: map[string]bool{},
	}
	for name, parse := range map[string]func(string){
		"modules.dep":     ix.parseDep,
		"modules.softdep": ix.parseSoftdep,
		"modules.alias":   ix.parseAlias,
		"modules.builtin": ix.parseBuiltin,
	} {
		if err := eachLine(filepath.Join(dir, name), parse); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return ix, nil
}

// eachLine calls fn with each line of a file; one that does not exist is empty.
func eachLine(name string, fn func(string)) error {
	f, _, err := regularfile.Open(name)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	lines := bufio.NewScanner(io.LimitReader(f, maxIndex))
	lines.Buffer(nil, maxIndexLine)
	for lines.Scan() {
		fn(lines.Text())
	}
	return lines.Err()
}

// nameOf is the name of the module in a file.
func nameOf(file string) string {
	stem, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(stem, "-", "_")
}

func (ix *index) parseDep(line string) {
	file, deps, ok := strings.Cut(line, ":")
	if !ok {
		return
	}
	name := nameOf(file)
	ix.path[name] = file
	for dep := range strings.FieldsSeq(deps) {
		ix.deps[name] = append(ix.deps[name], nameOf(dep))
	}
}

// parseSoftdep reads "softdep NAME pre: A B post: C".
func (ix *index) parseSoftdep(line string) {
	words := strings.Fields(line)
	if len(words) < 3 || words[0] != "softdep" {
		return
	}
	name, pre := nameOf(words[1]), false
	for _, w := range words[2:] {
		switch {
		case strings.HasSuffix(w, ":"):
			pre = w == "pre:"
		case pre:
			ix.pre[name] = append(ix.pre[name], nameOf(w))
		}
	}
}

// parseAlias reads "alias PATTERN NAME".
func (ix *index) parseAlias(line string) {
	words := strings.Fields(line)
	if len(words) == 3 && words[0] == "alias" && !strings.ContainsAny(words[1], "*?[") {
		alias := nameOf(words[1])
		ix.alias[alias] = append(ix.alias[alias], nameOf(words[2]))
	}
}

func (ix *index) parseBuiltin(line string) {
	if line != "" {
		ix.builtin[nameOf(line)] = true
		ix.builtinKnown = true
	}
}
