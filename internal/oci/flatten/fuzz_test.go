package flatten_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
)

// seeds are layers of each shape, in pairs of a lower and an upper one.
func seeds() [][2]layer {
	long := strings.Repeat("long/", 30) + strings.Repeat("n", 120)
	return [][2]layer{
		{
			{dir("d"), reg("d/a", "1"), hard("b", "d/a")},
			{reg("d/.wh..wh..opq", ""), sym("c", "../d"), reg("c/x", "2"), reg(".wh.b", "")},
		},
		{{reg("a", "lower"), dir("d"), reg("d/f", "2")}, {hard("b", "a"), hard("d/c", "b"), reg(".wh.a", "")}},
		{{dir("t"), reg("t/x", "1")}, {reg("t", "file"), reg(".wh.t", ""), sym("t", "u"), dir("u"), reg("t/y", "2")}},
		{{reg(long, "PAX").at(time.Unix(-5, 7)), reg("x", "1").with("user.x", "v").with("security.capability", "\x01\x00\x00\x02")}, {hard("y", long), sym("z", long)}},
		{{sparse("s", 5000, "data"), reg("after", "x")}, {sparse("s", 1, "more"), hard("t", "s")}},
		{{special(tar.TypeChar, "null", 1, 3), special(tar.TypeBlock, "sda", 8, 0), special(tar.TypeFifo, "p", 0, 0)}, {dir("null"), hard("q", "p")}},
		{{reg("./a", "1"), reg("/b", "2"), reg("../c", "3"), reg("x/../d", "4"), reg("p/q/r", "no parents")}, {reg("./.wh.a", ""), dir("."), reg("p/q", "5")}},
		{{sym("a", "b"), sym("b", "a"), sym("up", "../../etc"), dir("etc")}, {reg("up/passwd", "in"), reg("a/x", "")}},
		{{reg("a", "first"), reg("a", "second"), dir("a"), reg("a/.wh.x", "")}, {reg("a/.wh..wh..opq", ""), reg("a/.wh..wh..opq", ""), reg(".wh..wh.plnk", "")}},
		{{reg("\xff/\xfe", "not UTF-8"), reg("a\nb \\", "")}, {hard("c", "\xff/\xfe"), reg("\xff/.wh.\xfe", "")}},
	}
}

// FuzzMerge feeds arbitrary bytes as two layers: whatever they hold, the merge
// ends with a fault Invalid or with a tar that a filesystem can be made of.
func FuzzMerge(f *testing.F) {
	for _, pair := range seeds() {
		lower, err := pair[0].tar()
		if err != nil {
			f.Fatal(err)
		}
		upper, err := pair[1].tar()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(lower, upper)
	}
	f.Add(append(sparseHeader(1000), make([]byte, 1024)...), append(rawHeader('g', "pax_global_header", 0), rawHeader('V', "label", 0)...))
	f.Fuzz(func(t *testing.T, lower, upper []byte) {
		var out bytes.Buffer
		if err := merge(t.Context(), [][]byte{lower, upper}, &out); err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("error %v is no fault Invalid", err)
			}
			return
		}
		want, err := readTar(&out)
		if err != nil {
			t.Fatal(err)
		}
		// The other order costs more steps, but of so little it is never refused.
		if err := mergeByPath(t.Context(), [][]byte{lower, upper}, &out); err != nil {
			t.Fatalf("by path: %v", err)
		}
		got, err := readTar(&out)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("in the order of contents (-) and of paths (+) they differ:\n%s", diff)
		}
	})
}
