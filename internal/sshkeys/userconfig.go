package sshkeys

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
)

// InstallConfig writes text as banger's part of the user's SSH configuration,
// and makes the user's own file begin with an Include of it. What else stands
// in that file stays as it is, and so does a link that leads to it. It reports
// whether the user's file changed.
func InstallConfig(dirs statedir.Dirs, userFile, text string) (changed bool, err error) {
	for _, dir := range []string{dirs.SSH(), filepath.Dir(userFile)} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return false, err
		}
	}
	if err := replace(dirs.SSHConfig(), []byte(text)); err != nil {
		return false, fmt.Errorf("banger's SSH configuration: %w", err)
	}
	line := includeLine(dirs.SSHConfig())
	return editUserFile(userFile, func(data []byte) []byte {
		return append([]byte(line+"\n"), without(data, line)...)
	})
}

// RemoveConfig undoes InstallConfig. It reports whether the user's file changed.
func RemoveConfig(dirs statedir.Dirs, userFile string) (changed bool, err error) {
	line := includeLine(dirs.SSHConfig())
	changed, err = editUserFile(userFile, func(data []byte) []byte { return without(data, line) })
	if err != nil {
		return false, err
	}
	if err := os.Remove(dirs.SSHConfig()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return changed, err
	}
	return changed, nil
}

// includeLine includes one file, whose name ssh takes for a pattern (and newer
// versions for one with percent signs to expand, older ones not: "?" is both's).
func includeLine(path string) string {
	pattern := strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`, "%", "?").Replace(path)
	return `Include "` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(pattern) + `"`
}

// without returns data less the lines that are line.
func without(data []byte, line string) []byte {
	lines := slices.Collect(bytes.Lines(data))
	lines = slices.DeleteFunc(lines, func(l []byte) bool { return string(bytes.TrimSpace(l)) == line })
	return bytes.Join(lines, nil)
}

// editUserFile replaces a file, with its mode, or makes it (0600).
func editUserFile(path string, change func([]byte) []byte) (bool, error) {
	target, err := followLinks(path)
	if err != nil {
		return false, err
	}
	mode := fs.FileMode(0o600)
	data, err := readFile(target)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return false, err
	default:
		info, err := os.Stat(target)
		if err != nil {
			return false, err
		}
		mode = info.Mode().Perm()
	}
	after := change(slices.Clone(data))
	if bytes.Equal(data, after) {
		return false, nil
	}
	return true, replaceMode(target, after, mode)
}

// followLinks is filepath.EvalSymlinks for a file that need not exist.
func followLinks(path string) (string, error) {
	for range 40 {
		link, err := os.Readlink(path)
		if err != nil {
			return path, nil //nolint:nilerr // it is no link
		}
		if !filepath.IsAbs(link) {
			link = filepath.Join(filepath.Dir(path), link)
		}
		path = link
	}
	return "", fault.New(fault.Invalid, "%s points to itself", path).WithHint("ls -l %s", path)
}
