package flatten_test

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/oci/flatten"
)

// file is one entry of a layer.
type file struct {
	tar.Header
	body string
	hole int // bytes of a hole before body: a sparse file, as GNU tar has it in PAX format 1.0
}

func dir(name string) file {
	return file{Header: tar.Header{Name: name + "/", Typeflag: tar.TypeDir, Mode: 0o755}}
}

func reg(name, body string) file {
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: 0o644}, body: body}
}

func sym(name, target string) file {
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: target, Mode: 0o777}}
}

func hard(name, target string) file {
	return file{Header: tar.Header{Name: name, Typeflag: tar.TypeLink, Linkname: target, Mode: 0o644}}
}

func special(kind byte, name string, major, minor int64) file {
	return file{Header: tar.Header{Name: name, Typeflag: kind, Mode: 0o600, Devmajor: major, Devminor: minor}}
}

func sparse(name string, hole int, body string) file {
	f := reg(name, body)
	f.hole = hole
	return f
}

// at sets the time, which may be one that only PAX has.
func (f file) at(t time.Time) file {
	f.ModTime = t
	if t.Nanosecond() != 0 || t.Unix() < 0 || t.Unix() >= 1<<33 {
		f.Format = tar.FormatPAX
	}
	return f
}

// with adds an extended attribute.
func (f file) with(key, value string) file {
	records := map[string]string{"SCHILY.xattr." + key: value}
	maps.Copy(records, f.PAXRecords)
	f.PAXRecords, f.Format = records, tar.FormatPAX
	return f
}

type layer []file

func (l layer) tar() ([]byte, error) {
	var buf bytes.Buffer
	tw := tar.NewWriter(&buf)
	for _, f := range l {
		if f.ModTime.IsZero() {
			f.ModTime = time.Unix(1600000000, 0)
		}
		if f.hole > 0 || f.Typeflag == 'S' || f.Typeflag == 'V' {
			if err := tw.Flush(); err != nil {
				return nil, err
			}
		}
		switch {
		case f.hole > 0:
			f = f.packed(&buf)
		case f.Typeflag == 'S':
			buf.Write(sparseHeader(1000))
			continue
		case f.Typeflag == 'V':
			buf.Write(rawHeader('V', f.Name, 0))
			continue
		}
		f.Size = int64(len(f.body))
		if err := tw.WriteHeader(&f.Header); err != nil {
			return nil, err
		}
		if _, err := io.WriteString(tw, f.body); err != nil {
			return nil, err
		}
	}
	err := tw.Close()
	return buf.Bytes(), err
}

// packed writes the records of a sparse file, and returns the plain one after them,
// which begins with the map of what is not a hole.
func (f file) packed(w *bytes.Buffer) file {
	var records strings.Builder
	for _, r := range [][2]string{
		{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", f.Name}, {"GNU.sparse.realsize", fmt.Sprint(f.hole + len(f.body))},
	} {
		text := " " + r[0] + "=" + r[1] + "\n"
		n := len(text) + len(fmt.Sprint(len(text)))
		n = len(text) + len(fmt.Sprint(n)) // its own digits count
		fmt.Fprintf(&records, "%d%s", n, text)
	}
	w.Write(rawHeader('x', "PaxHeaders/sparse", int64(records.Len())))
	w.WriteString(records.String())
	w.Write(make([]byte, -records.Len()&511))
	where := fmt.Sprintf("1\n%d\n%d\n", f.hole, len(f.body))
	f.Name, f.Format, f.PAXRecords = "GNUSparseFile/f", tar.FormatUSTAR, nil
	f.body, f.hole = where+strings.Repeat("\x00", 512-len(where))+f.body, 0
	return f
}

// rawHeader is a header of a kind that tar.Writer does not write.
func rawHeader(kind byte, name string, size int64) []byte {
	b := make([]byte, 512)
	copy(b, name)
	for at, text := range map[int]string{
		100: "0000644", 108: "0000000", 116: "0000000", 124: fmt.Sprintf("%011o", size), 136: "00000000000", 257: "ustar\x0000",
	} {
		copy(b[at:], text)
	}
	b[156] = kind
	return summed(b)
}

// sparseHeader is GNU tar's old header of a file that is one hole.
func sparseHeader(size int64) []byte {
	b := rawHeader('S', "s", 0)
	copy(b[257:], "ustar  \x00")
	b[483] = 0x80 // a number in base 256
	binary.BigEndian.PutUint64(b[487:], uint64(size))
	return summed(b)
}

// summed has the header's checksum.
func summed(b []byte) []byte {
	copy(b[148:], "        ")
	sum := 0
	for _, c := range b {
		sum += int(c)
	}
	copy(b[148:], fmt.Sprintf("%06o\x00 ", sum))
	return b
}

// memory is the contents of layers that are held in memory, and their Side.
type memory struct {
	layers [][]byte
	side   *[]byte
}

func newMemory(layers [][]byte) memory { return memory{layers: layers, side: new([]byte)} }

func (m memory) Open(layer int, side bool, offset, size int64) io.Reader {
	from := m.layers[layer]
	if side {
		from = *m.side
	}
	return bytes.NewReader(from[offset:][:size])
}

// Append implements flatten.Side.
func (m memory) Append(r io.Reader, size int64) (int64, error) {
	start := len(*m.side)
	data, err := io.ReadAll(r)
	if err == nil && int64(len(data)) != size {
		err = io.ErrUnexpectedEOF
	}
	*m.side = append(*m.side, data...)
	return int64(start), err
}

type noSide struct{}

func (noSide) Append(io.Reader, int64) (int64, error) { return 0, errors.New("no side") }

func merge(ctx context.Context, layers [][]byte, out io.Writer) error {
	tree, contents, err := apply(ctx, layers)
	if err != nil {
		return err
	}
	return tree.WriteTo(ctx, out, contents, func(int64, int64) {})
}

// mergeByPath is merge with the other order.
func mergeByPath(ctx context.Context, layers [][]byte, out io.Writer) error {
	tree, contents, err := apply(ctx, layers)
	if err != nil {
		return err
	}
	return tree.WriteByPath(ctx, out, contents, func(int64, int64) {})
}

func apply(ctx context.Context, layers [][]byte) (*flatten.Tree, memory, error) {
	budget := flatten.NewBudget(flatten.Limits{Bytes: 1 << 20, Entries: 1000})
	tree, m := flatten.NewTree(budget, flatten.Rules{}), newMemory(layers)
	for i, raw := range layers {
		index, err := flatten.ReadIndex(ctx, bytes.NewReader(raw), m, budget)
		if err != nil {
			return nil, m, err
		}
		if err := tree.Apply(ctx, i, index); err != nil {
			return nil, m, err
		}
	}
	return tree, m, nil
}
