package main

import (
	"bytes"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// tally is how tests ended. Names are those of scripts, and of a contract's parts.
type tally struct {
	passed  int
	failed  []string
	skipped []string
}

func (t tally) plus(o tally) tally {
	return tally{t.passed + o.passed, append(t.failed, o.failed...), append(t.skipped, o.skipped...)}
}

func (t tally) String() string {
	return fmt.Sprintf("%d passed, %s, %s", t.passed, named(t.failed, "failed"), named(t.skipped, "skipped"))
}

func named(names []string, how string) string {
	if len(names) == 0 {
		return "0 " + how
	}
	return fmt.Sprintf("%d %s (%s)", len(names), how, strings.Join(names, ", "))
}

// results passes the output of `go test -v` on, and counts how tests ended:
// subtests, or a test that has none.
type results struct {
	out   io.Writer
	line  []byte
	ended []ended
}

type ended struct{ how, name string }

// maxLine bounds what is kept of a line; no line that says how a test ended is longer.
const maxLine = 1 << 10

var ending = regexp.MustCompile(`^( *)--- (PASS|FAIL|SKIP): (\S+) \(`)

// scriptEnding is what the end-to-end tests print when a script has ended, which `go test` says only
// when all have.
var scriptEnding = regexp.MustCompile(`^ {4}\w+\.go:\d+: script (\S+) (passed|failed|skipped) in \d+ s$`)

func (r *results) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		line, more, whole := bytes.Cut(rest, []byte("\n"))
		r.line = append(r.line, line[:min(len(line), maxLine-len(r.line))]...)
		if whole {
			r.see(string(r.line))
			r.line = r.line[:0]
		}
		rest = more
	}
	return r.out.Write(p)
}

func (r *results) see(line string) {
	// Only the test itself is indented by its depth; a test program that it ran is by more.
	if m := ending.FindStringSubmatch(line); m != nil && len(m[1]) == 4*strings.Count(m[3], "/") {
		r.end(ended{m[2], m[3]})
	}
	if m := scriptEnding.FindStringSubmatch(line); m != nil {
		how := map[string]string{"passed": "PASS", "failed": "FAIL", "skipped": "SKIP"}[m[2]]
		r.end(ended{how, scriptTests + m[1]})
	}
}

// end keeps how a test ended. What is said last holds.
func (r *results) end(e ended) {
	r.ended = append(slices.DeleteFunc(r.ended, func(had ended) bool { return had.name == e.name }), e)
}

// scriptTests is what the names of the scripts' tests begin with.
const scriptTests = "TestScripts/"

func (r *results) tally() tally {
	var t tally
	for i, e := range r.ended {
		if r.parent(i) {
			continue
		}
		name := e.name[strings.LastIndex(e.name, "/")+1:]
		switch e.how {
		case "PASS":
			t.passed++
		case "FAIL":
			t.failed = append(t.failed, name)
		case "SKIP":
			t.skipped = append(t.skipped, name)
		}
	}
	return t
}

// scripts are the names of the scripts that ended.
func (r *results) scripts() []string {
	var names []string
	for _, e := range r.ended {
		if name, ok := strings.CutPrefix(e.name, scriptTests); ok && !strings.Contains(name, "/") {
			names = append(names, name)
		}
	}
	return names
}

// parent reports whether a test had subtests; it is a test itself if it fails
// and none of them did.
func (r *results) parent(i int) bool {
	has, same := false, false
	for _, e := range r.ended {
		if strings.HasPrefix(e.name, r.ended[i].name+"/") {
			has = true
			same = same || e.how == r.ended[i].how
		}
	}
	return has && (same || r.ended[i].how != "FAIL")
}
