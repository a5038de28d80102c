package account_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/agent/account"
)

const passwd = `root:x:0:0:root:/root:/bin/bash
# a comment
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
broken:x:no:1:::
short:x:5
1000:x:77:78:named like a number:/n:/bin/n
dev:x:1000:1000:Dev,,,:/home/dev:
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

func TestOverlongLineIsAnError(t *testing.T) {
	root := tree(t, strings.Repeat("x", 1<<20)+"\n"+passwd, group)
	if a, err := account.Lookup(root, "dev"); err == nil {
		t.Errorf("Lookup = %+v, want an error", a)
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
