package flatten_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/oci/flatten"
)

// contents returns what each path holds: a file's text, a link's target after
// an arrow, a directory's slash, and hard links after an equals sign.
func contents(t *testing.T, r io.Reader) map[string]string {
	t.Helper()
	out := map[string]string{}
	tr := tar.NewReader(r)
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			delete(out, "./")
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		switch hdr.Typeflag {
		case tar.TypeDir:
			out[hdr.Name] = "/"
		case tar.TypeSymlink:
			out[hdr.Name] = "->" + hdr.Linkname
		case tar.TypeLink:
			out[hdr.Name] = "=" + hdr.Linkname
		default:
			out[hdr.Name] = string(body)
		}
	}
}

func encode(t *testing.T, layers []layer) [][]byte {
	t.Helper()
	raw := make([][]byte, len(layers))
	for i, l := range layers {
		var err error
		if raw[i], err = l.tar(); err != nil {
			t.Fatal(err)
		}
	}
	return raw
}

func TestMerge(t *testing.T) {
	tests := []struct {
		name   string
		layers []layer
		want   map[string]string
	}{
		{
			"a hard link keeps its content when its target is replaced above",
			[]layer{{reg("a", "old"), hard("b", "a")}, {reg("a", "new")}},
			map[string]string{"a": "new", "b": "old"},
		},
		{
			"a hard link keeps its content when its target is whited out",
			[]layer{{reg("a", "old"), hard("b", "a"), hard("c", "a")}, {reg(".wh.a", "")}},
			map[string]string{"b": "old", "c": "=b"},
		},
		{
			"a hard link in an upper layer to a lower file",
			[]layer{{reg("z", "text")}, {hard("a", "z")}},
			map[string]string{"a": "text", "z": "=a"},
		},
		{
			"a hard link to a symbolic link is that link",
			[]layer{{sym("a", "nowhere"), hard("b", "a")}},
			map[string]string{"a": "->nowhere", "b": "=a"},
		},
		{
			"a whiteout and a new directory of one name in one layer",
			[]layer{{dir("d"), reg("d/old", "x")}, {reg(".wh.d", ""), dir("d"), reg("d/new", "y")}},
			map[string]string{"d/": "/", "d/new": "y"},
		},
		{
			"an opaque directory, named before and after what it keeps",
			[]layer{{dir("d"), reg("d/old", "x")}, {reg("d/new", "y"), reg("d/.wh..wh..opq", "")}},
			map[string]string{"d/": "/", "d/new": "y"},
		},
		{
			"a symbolic link that climbs above the root is kept as it is",
			[]layer{{sym("up", "../../../../etc")}},
			map[string]string{"up": "->../../../../etc"},
		},
		{
			"a path through a climbing link stays inside",
			[]layer{{dir("etc"), sym("up", "../../etc"), reg("up/passwd", "in")}},
			map[string]string{"etc/": "/", "up": "->../../etc", "etc/passwd": "in"},
		},
		{
			"a path through an absolute link stays inside",
			[]layer{{dir("run"), dir("var"), sym("var/run", "/run")}, {reg("var/run/pid", "1")}},
			map[string]string{"run/": "/", "var/": "/", "var/run": "->/run", "run/pid": "1"},
		},
		{
			"dots and slashes before a name are taken away",
			[]layer{{reg("../../a", "1"), reg("/b", "2"), reg("./x/../c", "3")}},
			map[string]string{"a": "1", "b": "2", "c": "3"},
		},
		{
			"a hard link's target with dots stays inside",
			[]layer{{reg("a", "1"), hard("b", "../../../a")}},
			map[string]string{"a": "1", "b": "=a"},
		},
		{
			"a file replaces a directory, and a directory a file",
			[]layer{{dir("d"), reg("d/x", "1"), reg("f", "2")}, {reg("d", "file"), dir("f"), reg("f/y", "3")}},
			map[string]string{"d": "file", "f/": "/", "f/y": "3"},
		},
		{
			"a directory replaces a symbolic link to one",
			[]layer{{dir("real"), reg("real/x", "1"), sym("d", "real")}, {dir("d"), reg("d/y", "2")}},
			map[string]string{"real/": "/", "real/x": "1", "d/": "/", "d/y": "2"},
		},
		{
			"parents that are missing",
			[]layer{{reg("a/b/c", "x")}},
			map[string]string{"a/": "/", "a/b/": "/", "a/b/c": "x"},
		},
		{
			"the last of several entries of one name",
			[]layer{{reg("a", "first"), reg("a", "second")}},
			map[string]string{"a": "second"},
		},
		{
			"a file that was archived twice: a hard link to itself",
			[]layer{{reg("a", "x"), hard("b", "a"), hard("a", "a")}},
			map[string]string{"a": "x", "b": "=a"},
		},
		{
			"whiteouts below a file, which hide nothing",
			[]layer{{reg("a", "1")}, {reg("a/.wh.b", ""), reg("a/.wh..wh..opq", ""), reg("a/b/.wh.c", "")}},
			map[string]string{"a": "1"},
		},
		{
			"a file, and a whiteout below it, in the layer that whites out what was there",
			[]layer{{dir("a"), reg("a/f", "1")}, {reg(".wh.a", ""), reg("a", "2"), reg("a/.wh.f", "")}},
			map[string]string{"a": "2"},
		},
		{
			"whiteouts below a link to a file",
			[]layer{{reg("a", "1"), sym("l", "a")}, {reg("l/.wh.b", "")}},
			map[string]string{"a": "1", "l": "->a"},
		},
		{
			"a whiteout below nothing makes the directory, as in a layer by itself",
			[]layer{{}, {reg("n/.wh.b", "")}},
			map[string]string{"n/": "/"},
		},
		{"a whiteout of nothing", []layer{{reg("a", "1")}, {reg(".wh.b", "")}}, map[string]string{"a": "1"}},
		{
			"a name of 255 bytes",
			[]layer{{reg(strings.Repeat("n", 255), "x")}},
			map[string]string{strings.Repeat("n", 255): "x"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := merge(t.Context(), encode(t, test.layers), &out); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, contents(t, &out)); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

func TestMergeRefuses(t *testing.T) {
	device := file{Header: tar.Header{Name: "dev", Typeflag: tar.TypeChar, Devmajor: 1 << 20, Format: tar.FormatGNU}}
	loop := []file{sym("a", "b"), sym("b", "a"), reg("a/x", "")}
	tests := []struct {
		name   string
		layers []layer
	}{
		{"a name of 256 bytes", []layer{{reg(strings.Repeat("n", 256), "")}}},
		{"a directory's name of 256 bytes", []layer{{reg(strings.Repeat("n", 256)+"/x", "")}}},
		{"a path of more than 4096 bytes", []layer{{reg(strings.Repeat("n/", 2100)+"x", "")}}},
		{"a hard link to what is not there", []layer{{hard("a", "b")}}},
		{"a hard link to itself, which is not there", []layer{{hard("a", "a")}}},
		{"a hard link to a directory", []layer{{dir("d"), hard("a", "d")}}},
		{"a hard link outside", []layer{{hard("a", "../../../../etc/passwd")}}},
		{"a file in a file", []layer{{reg("a", ""), reg("a/b", "")}}},
		{"links in a circle", []layer{loop}},
		{"a whiteout of the directory itself", []layer{{dir("d"), reg("d/.wh..", "")}}},
		{"a whiteout of its parent", []layer{{dir("d"), reg("d/.wh...", "")}}},
		{"an empty whiteout", []layer{{reg(".wh.", "")}}},
		{"a symbolic link to nothing", []layer{{sym("a", "")}}},
		{"a device number out of range", []layer{{device}}},
		{"more bytes than allowed", []layer{{reg("a", strings.Repeat("x", 1<<20)), reg("b", "x")}}},
		{"more entries than allowed", []layer{slices.Repeat(layer{reg("a", "")}, 1001)}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := merge(t.Context(), encode(t, test.layers), io.Discard)
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("error %v, want a fault Invalid", err)
			}
		})
	}
}

func TestMergeKeepsAttributes(t *testing.T) {
	capability := "\x01\x00\x00\x02\x00\x20\x00\x00"
	ping := file{Header: tar.Header{
		Name: "ping", Typeflag: tar.TypeReg, Mode: 0o4755, Uid: 3_000_000_000, Gid: 70000, Format: tar.FormatPAX,
		PAXRecords: map[string]string{"SCHILY.xattr.security.capability": capability, "SCHILY.xattr.trusted.overlay.opaque": "y"},
	}, body: "elf"}
	var out bytes.Buffer
	if err := merge(t.Context(), encode(t, []layer{{ping, {Header: tar.Header{Name: "tty", Typeflag: tar.TypeChar, Mode: 0o620, Devmajor: 5, Devminor: 300}}}}), &out); err != nil {
		t.Fatal(err)
	}
	tr := tar.NewReader(&out)
	for {
		hdr, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		switch hdr.Name {
		case "ping":
			if hdr.Mode != 0o4755 || hdr.Uid != 3_000_000_000 || hdr.Gid != 70000 || hdr.PAXRecords["SCHILY.xattr.security.capability"] != capability {
				t.Errorf("ping came out as %+v", hdr)
			}
			if _, there := hdr.PAXRecords["SCHILY.xattr.trusted.overlay.opaque"]; there {
				t.Error("an image could set overlayfs's own attributes")
			}
		case "tty":
			if hdr.Typeflag != tar.TypeChar || hdr.Devmajor != 5 || hdr.Devminor != 300 {
				t.Errorf("tty came out as %+v", hdr)
			}
		}
	}
}

func TestIndexOfATruncatedTar(t *testing.T) {
	raw := encode(t, []layer{{reg("a", strings.Repeat("x", 4000))}})[0]
	_, err := flatten.ReadIndex(t.Context(), bytes.NewReader(raw[:2000]), noSide{}, flatten.NewBudget(flatten.Limits{}))
	if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "middle of an entry") {
		t.Errorf("error %v", err)
	}
}

func TestCancelEndsTheMerge(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := merge(ctx, encode(t, []layer{{reg("a", "x")}}), io.Discard); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}
}
