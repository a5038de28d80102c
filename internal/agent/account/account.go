// Package account finds users in the guest's /etc/passwd and /etc/group. The
// image wrote those files, so reads of them are bounded.
package account

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/agent/regular"
	"github.com/bangervm/banger/internal/agentrpc"
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
	// maxFile bounds what is read of one file, maxLine a line that counts: of a
	// group with many members, too. Both in bytes.
	maxFile   = 16 << 20
	maxLine   = 1 << 20
	maxGroups = 4096
)

// ErrUnknown says that there is no such user or group.
var ErrUnknown = errors.New(agentrpc.UnknownUser)

// Lookup finds spec, which is "name", "uid", "name:group", "uid:gid" or empty for
// root, in the files below root ("/" in a guest). A numeric id needs no entry,
// and root none at all: whatever the files are, both are found. A group that is
// left out behind the colon is the user's own.
func Lookup(root, spec string) (Account, error) {
	user, group, _ := strings.Cut(spec, ":")
	a, err := lookupUser(root, user)
	if err != nil {
		return Account{}, err
	}
	if group != "" {
		err := setGroup(root, group, &a)
		return a, err
	}
	a.Groups = []uint32{a.GID}
	// A file that cannot be read gives no groups, which nobody needs to come in.
	_ = eachLine(root, "etc/group", func(f []string) bool {
		gid, ok := id(f, 2)
		if ok && len(f) > 3 && gid != a.GID && isMember(f[3], a.Name) {
			a.Groups = append(a.Groups, gid)
		}
		return len(a.Groups) < maxGroups
	})
	return a, nil
}

func lookupUser(root, user string) (Account, error) {
	number, numErr := strconv.ParseUint(user, 10, 32)
	isRoot := user == "" || user == "root" || numErr == nil && number == 0
	if isRoot {
		user, number, numErr = "root", 0, nil
	}
	var a Account
	found := false
	err := eachLine(root, "etc/passwd", func(f []string) bool {
		uid, okUID := id(f, 2)
		gid, okGID := id(f, 3)
		if !okUID || !okGID || isRoot && uid != 0 {
			return true
		}
		if f[0] != user && (numErr != nil || uint32(number) != uid) {
			return true
		}
		a = Account{Name: f[0], UID: uid, GID: gid, Home: field(f, 5), Shell: field(f, 6)}
		found = true
		return a.Name != user // a name wins over a number
	})
	switch {
	case found:
	case isRoot:
		a = Account{Name: "root", Home: "/root"}
	case numErr == nil:
		a = Account{Name: user, UID: uint32(number), GID: 0}
	case err != nil:
		return a, fmt.Errorf("cannot look up the user %q: %w", user, err)
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
	err := eachLine(root, "etc/group", func(f []string) bool {
		if gid, ok := id(f, 2); ok && f[0] == group {
			a.GID, found = gid, true
		}
		return !found
	})
	if err != nil && !found {
		return fmt.Errorf("cannot look up the group %q: %w", group, err)
	}
	if !found {
		return fmt.Errorf("%w: no group %q", ErrUnknown, group)
	}
	a.Groups = []uint32{a.GID}
	return nil
}

func isMember(members, name string) bool {
	for member := range strings.SplitSeq(members, ",") {
		if member == name {
			return true
		}
	}
	return false
}

// field is empty where a line is shorter, as that of a user without a shell may be.
func field(fields []string, i int) string {
	if len(fields) <= i {
		return ""
	}
	return fields[i]
}

func id(fields []string, i int) (uint32, bool) {
	n, err := strconv.ParseUint(field(fields, i), 10, 32)
	return uint32(n), err == nil
}

// eachLine calls f with the colon-separated fields of each line of a file until f
// returns false. A missing file has no lines; lines over maxLine are left out.
func eachLine(root, path string, f func(fields []string) bool) error {
	file, err := regular.Open(filepath.Join(root, path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	in := bufio.NewReaderSize(io.LimitReader(file, maxFile), 64<<10)
	for {
		line, err := nextLine(in)
		if line != "" && line[0] != '#' && !f(strings.SplitN(line, ":", 8)) {
			return nil
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read /%s: %w", path, err)
		}
	}
}

// nextLine reads a line without its end. One over maxLine is empty.
func nextLine(in *bufio.Reader) (string, error) {
	var line []byte
	tooLong := false
	for {
		part, err := in.ReadSlice('\n')
		if tooLong = tooLong || len(line)+len(part) > maxLine; tooLong {
			line = nil
		} else {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return strings.TrimSuffix(string(line), "\n"), err
		}
	}
}
