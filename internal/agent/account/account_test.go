package account_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/regular/regulartest"
)

const passwd = `root:x:0:0:root:/root:/bin/bash
# a comment
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
broken:x:no:1:::
short:x:5
1000:x:77:78:named like a number:/n:/bin/n
dev:x:1000:1000:Dev,,,:/home/dev:
node:x:2000:2001:no shell:/home/node
app:x:3000:3001
`

const group = `root:x:0:
docker:x:998:dev,other
wheel:x:10:other,dev
dev:x:1000:dev
`

func tree(t *testing.T, passwd, group string) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "etc"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string]string{"passwd": passwd, "group": group} {
		if err := os.WriteFile(filepath.Join(root, "etc", name), []byte(data), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestLookup(t *testing.T) {
	root := tree(t, passwd, group)
	for spec, want := range map[string]account.Account{
		"":         {Name: "root", Groups: []uint32{0}, Home: "/root", Shell: "/bin/bash"},
		"root":     {Name: "root", Groups: []uint32{0}, Home: "/root", Shell: "/bin/bash"},
		"dev":      {Name: "dev", UID: 1000, GID: 1000, Groups: []uint32{1000, 998, 10}, Home: "/home/dev", Shell: "/bin/sh"},
		"1":        {Name: "daemon", UID: 1, GID: 1, Groups: []uint32{1}, Home: "/usr/sbin", Shell: "/usr/sbin/nologin"},
		"4711":     {Name: "4711", UID: 4711, Groups: []uint32{0}, Home: "/", Shell: "/bin/sh"},
		"4711:12":  {Name: "4711", UID: 4711, GID: 12, Groups: []uint32{12}, Home: "/", Shell: "/bin/sh"},
		"dev:root": {Name: "dev", UID: 1000, Groups: []uint32{0}, Home: "/home/dev", Shell: "/bin/sh"},
		"dev:":     {Name: "dev", UID: 1000, GID: 1000, Groups: []uint32{1000, 998, 10}, Home: "/home/dev", Shell: "/bin/sh"},
		":dev":     {Name: "root", GID: 1000, Groups: []uint32{1000}, Home: "/root", Shell: "/bin/bash"},
		"0":        {Name: "root", Groups: []uint32{0}, Home: "/root", Shell: "/bin/bash"},
		"node":     {Name: "node", UID: 2000, GID: 2001, Groups: []uint32{2001}, Home: "/home/node", Shell: "/bin/sh"},
		"app":      {Name: "app", UID: 3000, GID: 3001, Groups: []uint32{3001}, Home: "/", Shell: "/bin/sh"},
		"1000":     {Name: "1000", UID: 77, GID: 78, Groups: []uint32{78}, Home: "/n", Shell: "/bin/n"},
	} {
		got, err := account.Lookup(root, spec)
		if err != nil {
			t.Errorf("Lookup(%q): %v", spec, err)
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Lookup(%q):\n%s", spec, diff)
		}
	}
	for _, spec := range []string{"nobody", "dev:nogroup", "-1", "4294967296"} {
		if a, err := account.Lookup(root, spec); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("Lookup(%q) = %+v, %v; want ErrUnknown", spec, a, err)
		}
	}
}

func TestLookupWithoutFiles(t *testing.T) {
	got, err := account.Lookup(t.TempDir(), "")
	want := account.Account{Name: "root", Groups: []uint32{0}, Home: "/root", Shell: "/bin/sh"}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Lookup = %v\n%s", err, diff)
	}
}

// Whatever is in the place of the files, root and numbers get in; a name does not
// hang, and the error is not that it is unknown.
func TestLookupWithOddFiles(t *testing.T) {
	for kind, odd := range regulartest.Odd() {
		for _, name := range []string{"passwd", "group"} {
			t.Run(kind+" for "+name, func(t *testing.T) {
				root := tree(t, passwd, group)
				path := filepath.Join(root, "etc", name)
				if err := os.Remove(path); err != nil {
					t.Fatal(err)
				}
				odd(t, path)
				for spec, uid := range map[string]uint32{"": 0, "root": 0, "0": 0, "4711": 4711, "4711:12": 4711, "0:0": 0} {
					if a, err := account.Lookup(root, spec); err != nil || a.UID != uid {
						t.Errorf("Lookup(%q) = %+v, %v", spec, a, err)
					}
				}
				a, err := account.Lookup(root, "dev")
				if name == "group" && (err != nil || a.UID != 1000 || len(a.Groups) != 1) {
					t.Errorf("a user without groups: %+v, %v", a, err)
				}
				if name == "passwd" && err == nil {
					t.Errorf("a user of nowhere: %+v", a)
				}
			})
		}
	}
}

// A root that is no root in the file is one nevertheless: it is who repairs the file.
func TestRootIsRoot(t *testing.T) {
	root := tree(t, "root:x:1000:1000::/elsewhere:/bin/false\n", "")
	for _, spec := range []string{"", "root", "0"} {
		if a, err := account.Lookup(root, spec); err != nil || a.UID != 0 || a.GID != 0 || a.Home != "/root" {
			t.Errorf("Lookup(%q) = %+v, %v", spec, a, err)
		}
	}
}

func TestLongLines(t *testing.T) {
	members := "big:x:5:" + strings.Repeat("member,", 20_000) + "dev\n" // over 64 KiB, and it counts
	root := tree(t, strings.Repeat("x:", 1<<20)+"\n"+passwd, strings.Repeat("y", 2<<20)+"\n"+members+group)
	a, err := account.Lookup(root, "dev")
	if diff := cmp.Diff([]uint32{1000, 5, 998, 10}, a.Groups); err != nil || diff != "" {
		t.Errorf("Lookup = %+v, %v\n%s", a, err, diff)
	}
}

func TestWhatIsReadIsBounded(t *testing.T) {
	root := tree(t, strings.Repeat("x\n", 8<<20)+passwd, group) // dev is beyond 16 MiB
	if a, err := account.Lookup(root, "dev"); !errors.Is(err, account.ErrUnknown) {
		t.Errorf("Lookup = %+v, %v", a, err)
	}
	many := strings.Builder{}
	for gid := range 5000 {
		fmt.Fprintf(&many, "g%d:x:%d:dev\n", gid, 10_000+gid)
	}
	if a, err := account.Lookup(tree(t, passwd, many.String()), "dev"); err != nil || len(a.Groups) != 4096 {
		t.Errorf("%d groups, %v", len(a.Groups), err)
	}
}

func FuzzLookup(f *testing.F) {
	f.Add(passwd, group, "dev")
	f.Add("a:b:c:d", ":::", "0:0")
	f.Fuzz(func(t *testing.T, passwd, group, spec string) {
		a, err := account.Lookup(tree(t, passwd, group), spec)
		if err == nil && (a.Home == "" || a.Shell == "" || len(a.Groups) == 0) {
			t.Errorf("Lookup(%q) = %+v", spec, a)
		}
	})
}
