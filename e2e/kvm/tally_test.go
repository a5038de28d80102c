package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

func TestATallyCountsWhatRan(t *testing.T) {
	const text = `=== RUN   TestScripts
=== RUN   TestScripts/exec
--- FAIL: TestScripts (61.00s)
    --- PASS: TestScripts/exec (11.00s)
    --- FAIL: TestScripts/pause (1.00s)
        scripts_test.go:1: > exec banger
        --- FAIL: TestScripts (1.00s)
            --- FAIL: TestScripts/pause (1.00s)
    --- SKIP: TestScripts/ports (0.00s)
--- PASS: TestAlone (0.00s)
FAIL
`
	for _, chunk := range []int{1, 7, len(text)} {
		var out bytes.Buffer
		r := &results{out: &out}
		for part := range slices.Chunk([]byte(text), chunk) {
			if n, err := r.Write(part); n != len(part) || err != nil {
				t.Fatal(n, err)
			}
		}
		const want = "2 passed, 1 failed (pause), 1 skipped (ports)"
		if got := r.tally().String(); got != want {
			t.Errorf("in chunks of %d: %q; want %q", chunk, got, want)
		}
		if out.String() != text {
			t.Error("the output is not passed on")
		}
	}
}

func TestAFailureOutsideASubtestCounts(t *testing.T) {
	r := &results{out: &bytes.Buffer{}}
	_, _ = r.Write([]byte("--- FAIL: TestScripts (1.00s)\n    --- PASS: TestScripts/exec (1.00s)\n"))
	if got := r.tally(); got.passed != 1 || !slices.Equal(got.failed, []string{"TestScripts"}) {
		t.Errorf("%+v", got)
	}
}

func TestALongLineIsNotKept(t *testing.T) {
	r := &results{out: &bytes.Buffer{}}
	for range 100 {
		_, _ = r.Write([]byte(strings.Repeat("x", 1000)))
	}
	if len(r.line) > maxLine {
		t.Errorf("%d bytes are kept", len(r.line))
	}
}
