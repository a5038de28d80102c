package flatten_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/oci/flatten"
)

// TestLinkedFilesAsTar: in a tar that is no layer, a hard link's header says
// nothing of the file.
func TestLinkedFilesAsTar(t *testing.T) {
	set := reg("a", "x")
	set.Mode, set.Uid = 0o4755, 7
	link := hard("b", "a")
	link.Mode = 0
	for _, test := range []struct {
		rules flatten.Rules
		want  string
	}{{flatten.Rules{}, "0 0"}, {flatten.Rules{KeepLinked: true}, "4755 7"}} {
		got := attributes(t, test.rules, layer{set, link})["a"]
		if want := test.want; !strings.HasPrefix(got, want) {
			t.Errorf("%+v: %q, want %q", test.rules, got, want)
		}
	}
}

// TestDirectoryDescribedAgain has no attributes of the layer below.
func TestDirectoryDescribedAgain(t *testing.T) {
	below, above := dir("d"), dir("d")
	below.Format, below.PAXRecords = tar.FormatPAX, map[string]string{"SCHILY.xattr.user.x": "1"}
	above.Mode = 0o700
	if got := attributes(t, flatten.Rules{}, layer{below}, layer{above})["d/"]; got != "700 0 []" {
		t.Errorf("the directory came out as %q", got)
	}
}

func TestTimesBefore1970(t *testing.T) {
	var l layer
	for i, at := range []int64{-1000, -1, 0, 1} {
		f := reg(fmt.Sprint(i), "")
		f.ModTime, f.Format = time.Unix(at, 0), tar.FormatPAX
		l = append(l, f)
	}
	var out bytes.Buffer
	if err := merge(t.Context(), encode(t, []layer{l}), &out); err != nil {
		t.Fatal(err)
	}
	var got []int64
	for tr := tar.NewReader(&out); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if hdr.Typeflag == tar.TypeReg {
			got = append(got, hdr.ModTime.Unix())
		}
	}
	if want := []int64{0, 0, 0, 1}; !slices.Equal(got, want) {
		t.Errorf("times %v, want %v", got, want)
	}
}

// attributes returns mode, owner and extended attributes of all.
func attributes(t *testing.T, rules flatten.Rules, layers ...layer) map[string]string {
	t.Helper()
	budget := flatten.NewBudget(flatten.Limits{})
	tree := flatten.NewTree(budget, rules)
	raw := encode(t, layers)
	for i := range raw {
		index, err := flatten.ReadIndex(t.Context(), bytes.NewReader(raw[i]), noSide{}, budget)
		if err == nil {
			err = tree.Apply(t.Context(), i, index)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := tree.WriteTo(t.Context(), &out, newMemory(raw), func(int64, int64) {}); err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for tr := tar.NewReader(&out); ; {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		for key := range hdr.PAXRecords {
			if key, found := strings.CutPrefix(key, "SCHILY.xattr."); found {
				keys = append(keys, key)
			}
		}
		got[hdr.Name] = fmt.Sprintf("%o %d %v", hdr.Mode, hdr.Uid, keys)
	}
}
