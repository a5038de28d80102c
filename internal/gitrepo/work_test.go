package gitrepo_test

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/gittest"
)

// work does random things to a work tree, as a person or an agent would.
func work(t *rapid.T, dir string, steps int, withGit bool) {
	verbs := []string{"write", "write", "write", "edit", "delete", "rename", "link", "mode", "ignore", "todir", "tofile"}
	if withGit {
		verbs = append(verbs, "stage", "stageall", "unstage", "commit", "amend", "reset", "branch")
	}
	for range steps {
		switch rapid.SampledFrom(verbs).Draw(t, "step") {
		case "write":
			gittest.Put(dir, name(t), content(t))
		case "edit":
			if path := some(t, dir); path != "" {
				appendTo(t, filepath.Join(dir, path), content(t))
			}
		case "delete":
			if path := some(t, dir); path != "" {
				_ = os.Remove(filepath.Join(dir, path))
			}
		case "rename":
			if path := some(t, dir); path != "" {
				to := filepath.Join(dir, name(t))
				if os.MkdirAll(filepath.Dir(to), 0o755) == nil {
					_ = os.Rename(filepath.Join(dir, path), to)
				}
			}
		case "link":
			to := filepath.Join(dir, name(t))
			_ = os.Remove(to)
			if os.MkdirAll(filepath.Dir(to), 0o755) == nil {
				_ = os.Symlink(rapid.SampledFrom([]string{"a", "/etc/passwd", "../..", "dir", "caf\xe9"}).Draw(t, "target"), to)
			}
		case "mode":
			if path := some(t, dir); path != "" {
				if info, err := os.Lstat(filepath.Join(dir, path)); err == nil && info.Mode().IsRegular() {
					_ = os.Chmod(filepath.Join(dir, path), rapid.SampledFrom([]fs.FileMode{0o644, 0o755, 0o600, 0o777}).Draw(t, "mode"))
				}
			}
		case "stage":
			if path := some(t, dir); path != "" {
				_, _ = gittest.Try(dir, "add", "--", path)
			}
		case "stageall":
			_, _ = gittest.Try(dir, "add", "-A")
		case "unstage":
			_, _ = gittest.Try(dir, "reset", "-q")
		case "commit":
			_, _ = gittest.Try(dir, "commit", "-q", "-m", "work")
		case "amend":
			_, _ = gittest.Try(dir, "commit", "-q", "--amend", "-a", "-m", "amended")
		case "ignore":
			gittest.Put(dir, ".gitignore", rapid.SampledFrom([]string{"*.log\n", "build/\n", "*\n!keep\n", "dir/\n!dir/x\n"}).Draw(t, "rule"))
		case "reset":
			_, _ = gittest.Try(dir, "reset", "-q", "--soft", "HEAD~1")
		case "branch":
			_, _ = gittest.Try(dir, "checkout", "-q", "-b", rapid.StringMatching(`b[a-z]{3}`).Draw(t, "branch"))
		case "todir":
			if path := some(t, dir); path != "" {
				_ = os.Remove(filepath.Join(dir, path))
				gittest.Put(dir, path+"/inner", content(t))
			}
		case "tofile":
			d := rapid.SampledFrom([]string{"dir", "build", "dir/sub"}).Draw(t, "directory")
			_ = os.RemoveAll(filepath.Join(dir, d))
			gittest.Put(dir, d, content(t))
		}
	}
}

func name(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"a", "b", "c.txt", "dir/x", "dir/y", "dir/sub/z", "build/out", "x.log", "keep", "with space", "caf\xe9", "dir/\xff\xfe", "new\nline",
		"-dash", "tab\there", "quote\"d", "back\\slash", "ünï", "dir.d/e", "dir-/e",
	}).Draw(t, "name")
}

func content(t *rapid.T) string {
	texts := map[string]string{
		"empty": "", "lines": "one\ntwo\nthree\n", "no newline": "no newline", "crlf": "crlf\r\nline\r\n", "binary": "\x00\x01\x02binary\xff",
		"long": strings.Repeat("line\n", 400), "mixed": "mixed\r\nends\n", "bom": "\xef\xbb\xbfbom\n", "blob": strings.Repeat("\x00\xde\xad", 3000),
		"pointer": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n",
	}
	kind := rapid.SampledFrom(slices.Sorted(maps.Keys(texts))).Draw(t, "content")
	return texts[kind] + rapid.SampledFrom([]string{"", "", "x", "y\n"}).Draw(t, "end")
}

func appendTo(t gittest.Failer, path, content string) {
	if info, err := os.Lstat(path); err != nil || !info.Mode().IsRegular() {
		return
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatalf("%v", err)
	}
	_, err = io.WriteString(f, content)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatalf("%v", err)
	}
}

// some picks a file of the work tree.
func some(t *rapid.T, dir string) string {
	names := slices.Sorted(maps.Keys(gittest.Files(t, dir)))
	if len(names) == 0 {
		return ""
	}
	return rapid.SampledFrom(names).Draw(t, "file")
}
