// Package account finds users in the guest's /etc/passwd and /etc/group. The
// image wrote those files, so what is read of them is bounded.
package account

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Account is a user as whom a command can run. Groups holds the supplementary
// groups, GID among them.
type Account struct {
	Name   string
	UID    uint32
	GID    uint32
	Groups []uint32
	Home   string
	Shell  string
}

const (
	maxFile   = 4 << 20
	maxLine   = 64 << 10
	maxGroups = 4096
)

// ErrUnknown says that there is no such user or group.
var ErrUnknown = errors.New("unknown user")

// Lookup finds spec, which is "name", "uid", "name:group", "uid:gid" or empty for
// root, in the files below root ("/" in a guest). A numeric id needs no entry,
// and root none at all.
func Lookup(root, spec string) (Account, error) {
	user, group, hasGroup := strings.Cut(spec, ":")
	if user == "" {
		user = "root"
	}
	a, err := lookupUser(root, user)
	if err != nil {
		return Account{}, err
	}
	if hasGroup {
		err := setGroup(root, group, &a)
		return a, err
	}
	a.Groups = []uint32{a.GID}
	err = eachLine(filepath.Join(root, "etc/group"), func(f []string) bool {
		gid, ok := id(f, 2)
		if ok && len(f) > 3 && gid != a.GID && slices.Contains(strings.Split(f[3], ","), a.Name) {
			a.Groups = append(a.Groups, gid)
		}
		return len(a.Groups) < maxGroups
	})
	return a, err
}

func lookupUser(root, user string) (Account, error) {
	number, numErr := strconv.ParseUint(user, 10, 32)
	var a Account
	found := false
	err := eachLine(filepath.Join(root, "etc/passwd"), func(f []string) bool {
		uid, okUID := id(f, 2)
		gid, okGID := id(f, 3)
		if !okUID || !okGID || len(f) < 7 {
			return true
		}
		if f[0] != user && (numErr != nil || uint32(number) != uid) {
			return true
		}
		a = Account{Name: f[0], UID: uid, GID: gid, Home: f[5], Shell: f[6]}
		found = true
		return a.Name != user // a name wins over a number
	})
	switch {
	case err != nil:
		return a, err
	case found:
	case user == "root":
		a = Account{Name: "root", Home: "/root"}
	case numErr == nil:
		a = Account{Name: user, UID: uint32(number), GID: 0}
	default:
		return a, fmt.Errorf("%w %q", ErrUnknown, user)
	}
	if a.Home == "" {
		a.Home = "/"
	}
	if a.Shell == "" {
		a.Shell = "/bin/sh"
	}
	return a, nil
}

func setGroup(root, group string, a *Account) error {
	if gid, err := strconv.ParseUint(group, 10, 32); err == nil {
		a.GID = uint32(gid)
		a.Groups = []uint32{a.GID}
		return nil
	}
	found := false
	err := eachLine(filepath.Join(root, "etc/group"), func(f []string) bool {
		if gid, ok := id(f, 2); ok && f[0] == group {
			a.GID, found = gid, true
		}
		return !found
	})
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("%w: no group %q", ErrUnknown, group)
	}
	a.Groups = []uint32{a.GID}
	return nil
}

func id(fields []string, i int) (uint32, bool) {
	if len(fields) <= i {
		return 0, false
	}
	n, err := strconv.ParseUint(fields[i], 10, 32)
	return uint32(n), err == nil
}

// eachLine calls f with the colon-separated fields of each line until f returns
// false. A missing file has no lines; overlong lines end it.
func eachLine(path string, f func(fields []string) bool) error {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	scan := bufio.NewScanner(io.LimitReader(file, maxFile))
	scan.Buffer(nil, maxLine)
	for scan.Scan() {
		if line := scan.Text(); line != "" && line[0] != '#' && !f(strings.Split(line, ":")) {
			return nil
		}
	}
	if err := scan.Err(); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	return nil
}
