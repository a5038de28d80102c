package initramfs

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestArchiveAsCpioReadsIt has GNU cpio list an archive.
func TestArchiveAsCpioReadsIt(t *testing.T) {
	cpio, err := exec.LookPath("cpio")
	if err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal("no cpio")
		}
		t.Skip("no cpio")
	}
	var archive bytes.Buffer
	c := newWriter(&archive)
	entries := append(skeleton(), entry{name: "init", mode: typeFile | 0o755, size: 5, data: strings.NewReader("12345")})
	for _, e := range entries {
		if err := c.add(e); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), cpio, "-itv", "--numeric-uid-gid")
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	cmd.Stdin = &archive
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	got := strings.Join(strings.Fields(string(out)), " ")
	for _, want := range []string{
		"drwxr-xr-x 2 0 0 0 Jan 1 1970 dev ",
		"crw------- 1 0 0 5, 1 Jan 1 1970 dev/console ",
		"crw-rw-rw- 1 0 0 1, 3 Jan 1 1970 dev/null ",
		"drwxr-xr-x 2 0 0 0 Jan 1 1970 banger/modules ",
		"-rwxr-xr-x 1 0 0 5 Jan 1 1970 init",
	} {
		if !strings.Contains(got+" ", want) {
			t.Errorf("cpio lists\n%s\nwithout %q", out, want)
		}
	}
}

// TestArchiveReadsBack writes archives of made-up files and reads them by the
// format's description.
func TestArchiveReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.SliceOfDistinct(rapid.StringMatching(`[a-z]{1,9}(/[a-z.]{1,5}){0,2}`), rapid.ID).Draw(t, "names")
		var archive bytes.Buffer
		c := newWriter(&archive)
		want := map[string]string{}
		for _, name := range names {
			want[name] = string(rapid.SliceOfN(rapid.Byte(), 0, 50).Draw(t, "data"))
			err := c.add(entry{name: name, mode: typeFile | 0o644, size: int64(len(want[name])), data: strings.NewReader(want[name])})
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
		got, err := readArchive(archive.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("read %q\nwant %q", got, want)
		}
	})
}

// readArchive reads the regular files of a newc archive.
func readArchive(b []byte) (map[string]string, error) {
	files := map[string]string{}
	for pos := 0; ; {
		if len(b) < pos+110 || string(b[pos:pos+6]) != "070701" {
			return nil, fmt.Errorf("no header at %d", pos)
		}
		field := func(i int) int {
			raw, err := hex.DecodeString(string(b[pos+6+8*i : pos+14+8*i]))
			if err != nil {
				return -1
			}
			return int(binary.BigEndian.Uint32(raw))
		}
		size, nameSize := field(6), field(11)
		name := string(b[pos+110 : pos+110+nameSize-1])
		data := (pos + 110 + nameSize + 3) &^ 3
		if name == trailer {
			return files, nil
		}
		if field(1)&0o170000 == typeFile {
			files[name] = string(b[data : data+size])
		}
		pos = (data + size + 3) &^ 3
	}
}

func TestArchiveNoticesAFileThatChanges(t *testing.T) {
	c := newWriter(io.Discard)
	err := c.add(entry{name: "short", mode: typeFile, size: 10, data: strings.NewReader("12345")})
	if err == nil || !strings.Contains(err.Error(), "short: 5 bytes") {
		t.Errorf("%v, want an error that names the file and its size", err)
	}
}
