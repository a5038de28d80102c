package jsonlist_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/jsonlist"
)

func TestDecode(t *testing.T) {
	for text, want := range map[string][]int{"": nil, "null": nil, "[]": {}, "[1]": {1}, " [1, 2,3 ] ": {1, 2, 3}} {
		if got, err := jsonlist.Decode[int]([]byte(text), 3); err != nil || !slices.Equal(got, want) || (got == nil) != (want == nil) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"[1,2,3,4]", "{}", "7", `"x"`, "[1", `["x"]`, "[1 2]", "[", "[1}"} {
		if got, err := jsonlist.Decode[int]([]byte(text), 3); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestNoMoreIsDecodedThanMayBe(t *testing.T) {
	text := []byte("[" + strings.Repeat("{},", 300_000) + "{}]")
	took := testing.AllocsPerRun(1, func() {
		if _, err := jsonlist.Decode[struct{ A, B, C string }](text, 10); err == nil {
			t.Error("too many were taken")
		}
	})
	if took > 1000 {
		t.Errorf("%v allocations for ten elements", took)
	}
}
