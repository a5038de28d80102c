//go:build e2e

package e2e

import (
	"archive/tar"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/bangervm/banger/e2e/fixture"
)

// tarKinds are the root filesystems that scripts make with "mktar".
func tarKinds(ctx context.Context, kind string) ([]fixture.Entry, error) {
	outside := "\n::escaped::\n"
	switch kind {
	case "dotdot":
		return append(basics(), fixture.File("../../../../../../tmp/banger-escaped", 0o644, outside)), nil
	case "absolute":
		return append(basics(), fixture.File("/etc/absolute", 0o644, "inside\n")), nil
	case "link-escape":
		return append(basics(), fixture.Symlink("srv/out", "/../../../../tmp"), fixture.File("srv/out/banger-escaped", 0o644, outside)), nil
	case "hardlink-escape":
		return append(basics(), fixture.Hardlink("srv/passwd", "../../../../etc/passwd")), nil
	case "odd":
		entries, err := fixture.Busybox(ctx)
		if err != nil {
			return nil, err
		}
		return append(entries, oddities()...), nil
	default:
		return nil, fmt.Errorf("no tar called %q", kind)
	}
}

func basics() []fixture.Entry {
	return []fixture.Entry{fixture.Dir("etc", 0o755), fixture.Dir("srv", 0o755), fixture.File("etc/os-release", 0o644, "ID=tiny\n")}
}

// oddities are legal things that image formats often lose.
func oddities() []fixture.Entry {
	program, _ := os.ReadFile("/bin/busybox")
	capable := fixture.File("srv/capable/chown", 0o755, string(program))
	// VFS_CAP_REVISION_2 with the effective bit, and CAP_CHOWN (bit 0).
	capable.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02" +
		"\x01\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"}
	owned := fixture.File("srv/owned", 0o4711, "x")
	owned.Uid, owned.Gid = 70000, 70001
	return []fixture.Entry{
		fixture.Dir("srv/capable", 0o755), capable, owned,
		{Header: tar.Header{Typeflag: tar.TypeChar, Name: "srv/null", Mode: 0o666, Devmajor: 1, Devminor: 3}},
		{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "srv/fifo", Mode: 0o600}},
		fixture.File("srv/"+strings.Repeat("n", 255), 0o644, "long\n"),
		fixture.File("srv/ünïcode ☃", 0o644, "snow\n"),
		fixture.Symlink("srv/climb", "../../../../../etc/os-release"),
	}
}
