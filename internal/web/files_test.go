package web_test

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The picker shows nothing that is hidden or outside its roots, also by links.
func TestPickerStaysBelowItsRoots(t *testing.T) {
	b := open(t)
	home, outside := t.TempDir(), t.TempDir()
	b.roots = []string{home, filepath.Join(home, "none")}
	for _, dir := range []string{"src/.git", ".ssh", "src/inner"} {
		if err := os.MkdirAll(filepath.Join(home, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(home, hostile[:8]), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for link, to := range map[string]string{"out": outside, "in": filepath.Join(home, "src"), "secret": filepath.Join(home, ".ssh"), "gone": "nowhere", "dev": "/dev/null"} {
		if err := os.Symlink(to, filepath.Join(home, link)); err != nil {
			t.Fatal(err)
		}
	}
	at := func(dir string) string {
		return "/files?" + url.Values{"field": {"from"}, "back": {"/kernels"}, "dir": {dir}}.Encode()
	}
	wants(t, b.get(at(""), http.StatusOK), home)
	page := b.get(at(home), http.StatusOK)
	wants(t, page, "src", "git", "link to "+filepath.Join(home, "src"), "out, link to where the console does not go", "secret, link to where", "gone, link to where", "dev, link to where", hostile[:8])
	if strings.Contains(page, ".ssh") || strings.Contains(page, outside) {
		t.Error("the page shows what is hidden or outside")
	}
	for dir, want := range map[string]int{
		outside: http.StatusForbidden, filepath.Join(home, "out"): http.StatusForbidden, filepath.Join(home, ".ssh"): http.StatusForbidden,
		filepath.Join(home, "src", ".git"): http.StatusForbidden, filepath.Join(home, ".."): http.StatusForbidden, "/": http.StatusForbidden,
		home + "/src/../../" + filepath.Base(outside): http.StatusForbidden, filepath.Join(home, "nothing"): http.StatusNotFound, "src": http.StatusNotFound,
	} {
		b.get(at(dir), want)
	}
	src := b.get(at(filepath.Join(home, "src")), http.StatusOK)
	if want := "/kernels?from=" + url.QueryEscape(filepath.Join(home, "src")); !strings.Contains(src, want) {
		t.Errorf("the page does not lead to %s", want)
	}
	if away := b.get("/files?field=x&back=//evil.example&dir="+url.QueryEscape(home), http.StatusOK); strings.Contains(away, "evil") {
		t.Error("it leads elsewhere")
	}
}

func TestPickerIsBounded(t *testing.T) {
	b := open(t)
	home := t.TempDir()
	b.roots = []string{home}
	for i := range 600 {
		if err := os.WriteFile(filepath.Join(home, fmt.Sprintf("f%03d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page := b.get("/files?dir="+url.QueryEscape(home), http.StatusOK)
	if n := strings.Count(page, ">f"); n != 500 || !strings.Contains(page, "There is more") {
		t.Errorf("it shows %d entries", n)
	}
}
