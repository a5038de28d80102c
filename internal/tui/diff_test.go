package tui

import (
	"io"
	"slices"
	"strings"
	"testing"
)

// TestWhatIsInAHunkIsNoHeader: files may have lines that look like those of a patch.
func TestWhatIsInAHunkIsNoHeader(t *testing.T) {
	lines := []struct {
		text string
		want tone
	}{
		{"diff --git a/f b/f", toneAttention},
		{"--- a/f", toneAttention},
		{"+++ b/f", toneAttention},
		{"@@ -1,3 +1,4 @@ func f()", toneBusy},
		{"--- gone", toneBad},
		{"+++ new", toneGood},
		{"+diff --git a/x b/x", toneGood},
		{" @@ -1 +1 @@", toneNone},
		{" ", toneNone},
		{"\\ No newline at end of file", toneNone}, // the hunk is over
		{"--- a/g", toneAttention},
		{"+++ b/g", toneAttention},
		{"@@ -7 +7 @@", toneBusy},
		{"-@@ -1,9 +1,9 @@", toneBad},
		{"++", toneGood},
		{"diff --git a/h b/h", toneAttention},
	}
	var tones diffTones
	for i, l := range lines {
		if got := tones.of(l.text); got != l.want {
			t.Errorf("line %d, %q: tone %d, want %d", i+1, l.text, got, l.want)
		}
	}
}

// TestHunkCounts holds for heads that are none, too.
func TestHunkCounts(t *testing.T) {
	for text, want := range map[string][]int{
		"@@ -1,2 +3,4 @@": {2, 4}, "@@ -1 +1 @@": {1, 1}, "@@ -0,0 +1,9 @@ x": {0, 9}, "@@": nil, "@@ -1,2 3,4 @@": nil, "@@ -1,-2 +3,4 @@": nil, "@@ -1,x +3,4 @@": nil, "@@@ -1 -1 +1 @@@": nil,
	} {
		before, after, ok := hunkCounts(text)
		if ok != (want != nil) || ok && !slices.Equal([]int{before, after}, want) {
			t.Errorf("%q: %d, %d, %v; want %v", text, before, after, ok, want)
		}
	}
}

// TestALongLineStaysOne: its pieces have its tone, and count once in their hunk.
func TestALongLineStaysOne(t *testing.T) {
	p := &pager{tones: new(diffTones).of}
	long := strings.Repeat("x", 2*maxLine)
	read := newReader(io.NopCloser(strings.NewReader("@@ -1 +1 @@\n-a\n+"+long+"\n--- b/g\n")), func() {})
	for {
		lines, err := read.next()
		p.add(lines)
		if err != nil {
			break
		}
	}
	var got []tone
	for _, l := range p.all {
		got = append(got, l.tone)
	}
	if want := []tone{toneBusy, toneBad, toneGood, toneGood, toneGood, toneAttention}; !slices.Equal(got, want) {
		t.Errorf("tones %v, want %v", got, want)
	}
}
