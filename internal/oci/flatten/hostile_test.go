package flatten_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/oci/flatten"
)

// repeated is a layer of the same bytes many times, held once, and the end of a
// tar.
func repeated(once []byte, times int) io.Reader {
	parts := make([]io.Reader, 0, times+1)
	for range times {
		parts = append(parts, bytes.NewReader(once))
	}
	return io.MultiReader(append(parts, bytes.NewReader(make([]byte, 1024)))...)
}

// unended is the layer's tar without its end, to be repeated.
func (l layer) unended(t *testing.T) []byte {
	t.Helper()
	raw, err := l.tar()
	if err != nil {
		t.Fatal(err)
	}
	return raw[:len(raw)-1024]
}

func pax(name string, records map[string]string) file {
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644, Format: tar.FormatPAX, PAXRecords: records}}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestRecordsAreNotKept: nothing of a header that the merge does not use stays
// in memory, and nothing that it uses keeps the rest.
func TestRecordsAreNotKept(t *testing.T) {
	const times, size = 64, 1000 << 10
	for name, f := range map[string]file{
		"an unknown record":              pax("a", map[string]string{"X.junk": strings.Repeat("j", size)}),
		"a name in a record beside junk": pax(strings.Repeat("n", 150), map[string]string{"X.junk": strings.Repeat("j", size)}),
		"an attribute beside junk": pax("a", map[string]string{
			"SCHILY.xattr.user.x": "v", "X.junk": strings.Repeat("j", size),
		}),
		"an attribute that is not taken": pax("a", map[string]string{"SCHILY.xattr.trusted.x": strings.Repeat("j", size)}),
	} {
		t.Run(name, func(t *testing.T) {
			once := layer{f}.unended(t)
			before := heap()
			index, err := flatten.ReadIndex(t.Context(), repeated(once, times), noSide{}, flatten.NewBudget(flatten.Limits{}))
			if err != nil {
				t.Fatal(err)
			}
			if grown := int64(heap()) - int64(before); grown > 8<<20 {
				t.Errorf("%d headers hold %s", times, fault.Bytes(grown))
			}
			runtime.KeepAlive(index)
		})
	}
}

// TestHostileLayers: each kind of layer that would take more than its share is
// refused by the limit that is meant for it.
func TestHostileLayers(t *testing.T) {
	longName := layer{reg(strings.Repeat("n/", 150)+"x", "")}.unended(t)[:1024] // and not the entry that has it
	deep := strings.Repeat("d/", 500)
	through := chain(deep, 40)
	nested, opaque := layer{}, layer{}
	for i := range 200 {
		nested = append(nested, dir(strings.TrimSuffix(strings.Repeat("d/", i+1), "/")))
	}
	for i := range 200 {
		nested = append(nested, reg(strings.Repeat("d/", 200)+fmt.Sprint(i), ""))
		opaque = append(opaque, reg(strings.Repeat("d/", i+1)+".wh..wh..opq", ""))
	}
	tests := []struct {
		name   string
		limits flatten.Limits
		layers []io.Reader
		want   string
	}{
		{
			"records fill the disk",
			flatten.Limits{Bytes: 10 << 20},
			[]io.Reader{repeated(layer{pax("a", map[string]string{"X.junk": strings.Repeat("j", 1000<<10)})}.unended(t), 20)},
			"bigger than 10 MiB",
		},
		{
			"one header without an end",
			flatten.Limits{},
			[]io.Reader{repeated(longName, 8<<10)},
			"header has more than 4 MiB",
		},
		{
			"long names",
			flatten.Limits{Names: 1 << 20},
			[]io.Reader{repeated(layer{reg(strings.Repeat(strings.Repeat("n", 200)+"/", 20)+"x", "")}.unended(t), 300)},
			"take more than 1 MiB",
		},
		{
			"long links",
			flatten.Limits{Names: 1 << 20},
			[]io.Reader{repeated(layer{sym("l", strings.Repeat("n", 4000))}.unended(t), 300)},
			"take more than 1 MiB",
		},
		{
			"attributes",
			flatten.Limits{Names: 1 << 20},
			[]io.Reader{repeated(layer{pax("a", map[string]string{"SCHILY.xattr.user.x": strings.Repeat("v", 1000<<10)})}.unended(t), 2)},
			"take more than 1 MiB",
		},
		{
			"small attributes, whose map takes more than they",
			flatten.Limits{Names: 1 << 10},
			[]io.Reader{repeated(layer{pax("a", map[string]string{"SCHILY.xattr.user.x": ""})}.unended(t), 20)},
			"take more than 1 KiB",
		},
		{
			"entries",
			flatten.Limits{Entries: 1000},
			[]io.Reader{repeated(layer{reg("a", "")}.unended(t), 1001)},
			"more than 1000 entries",
		},
		{
			"entries of several layers",
			flatten.Limits{Entries: 1000},
			[]io.Reader{repeated(layer{reg("a", "")}.unended(t), 600), repeated(layer{reg("a", "")}.unended(t), 600)},
			"more than 1000 entries",
		},
		{
			"directories that nobody names",
			flatten.Limits{Entries: 1000},
			[]io.Reader{repeated(layer{reg("a/"+deep+"x", ""), reg("b/"+deep+"x", "")}.unended(t), 1)},
			"more than 1000 entries",
		},
		{
			"headers about the archive",
			flatten.Limits{Entries: 1000},
			[]io.Reader{repeated(layer{{Header: tar.Header{Typeflag: 'V', Name: "label"}}}.unended(t), 1001)},
			"more than 1000 entries",
		},
		{
			"padding",
			flatten.Limits{Padding: 1 << 20},
			[]io.Reader{io.LimitReader(zeros{}, 600<<10), io.LimitReader(zeros{}, 600<<10)},
			"more than 1 MiB follow",
		},
		{
			"padding that is spooled counts as content",
			flatten.Limits{Bytes: 1 << 20},
			[]io.Reader{io.LimitReader(zeros{}, 600<<10), io.LimitReader(zeros{}, 600<<10)},
			"bigger than 1 MiB",
		},
		{
			"the holes of a sparse file",
			flatten.Limits{},
			[]io.Reader{repeated(sparseHeader(1<<40), 1)},
			"bigger than 64 GiB",
		},
		{
			"deep paths",
			flatten.Limits{Steps: 100_000},
			[]io.Reader{repeated(layer{reg(deep+"x", "")}.unended(t), 300)},
			"steps",
		},
		{
			"links through deep paths",
			flatten.Limits{Steps: 10_000},
			[]io.Reader{repeated(append(through, reg(deep+"k40/y", "")).unended(t), 1)},
			"steps",
		},
		{
			"hard links to a short name of a file that has a long one",
			flatten.Limits{Steps: 250_000},
			[]io.Reader{repeated(append(layer{reg("z", ""), hard(deep+"x", "z")}, links(300, "z")...).unended(t), 1)},
			"steps",
		},
		{
			"long headers",
			flatten.Limits{Steps: 100_000},
			[]io.Reader{repeated(layer{pax("a", map[string]string{"X.junk": strings.Repeat("j", 500<<10)})}.unended(t), 1)},
			"steps",
		},
		{
			"opaque directories in each other",
			flatten.Limits{Steps: 100_000},
			[]io.Reader{repeated(append(nested, opaque...).unended(t), 1)},
			"steps",
		},
		{
			"short names for long paths",
			flatten.Limits{Steps: 100_000},
			[]io.Reader{repeated(append(layer{sym("l", deep)}, many("l/", 150)...).unended(t), 1)},
			"steps",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := mergeWithin(t.Context(), test.limits, test.layers)
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want a fault Invalid with %q", err, test.want)
			}
		})
	}
}

// TestClearedDirectoriesAreSmall: a directory that had very many files is not
// looked through again as if it had them still.
func TestClearedDirectoriesAreSmall(t *testing.T) {
	budget := flatten.NewBudget(flatten.Limits{})
	tree := flatten.NewTree(budget, flatten.Rules{})
	before := heap()
	for i, l := range []layer{many("d/", 100_000), {reg("d/.wh..wh..opq", "")}} {
		raw, err := l.tar()
		if err != nil {
			t.Fatal(err)
		}
		index, err := flatten.ReadIndex(t.Context(), bytes.NewReader(raw), noSide{}, budget)
		if err == nil {
			err = tree.Apply(t.Context(), i, index)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("the empty directory holds %s", fault.Bytes(grown))
	}
	runtime.KeepAlive(tree)
}
