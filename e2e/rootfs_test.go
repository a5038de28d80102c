//go:build e2e

package e2e

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// entry is one tar entry with its content.
type entry struct {
	tar.Header
	body []byte
}

func dir(name string, mode int64) entry {
	return entry{Header: tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}}
}

func file(name string, mode int64, body string) entry {
	return entry{Header: tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, body: []byte(body)}
}

func symlink(name, target string) entry {
	return entry{Header: tar.Header{Typeflag: tar.TypeSymlink, Name: name, Linkname: target, Mode: 0o777}}
}

func hardlink(name, target string) entry {
	return entry{Header: tar.Header{Typeflag: tar.TypeLink, Name: name, Linkname: target}}
}

// packTar returns the entries as a tar, all with one time, so that the bytes
// depend on nothing else.
func packTar(w io.Writer, entries []entry) error {
	tw := tar.NewWriter(w)
	for _, e := range entries {
		h := e.Header
		h.Size = int64(len(e.body))
		h.ModTime = time.Unix(1_700_000_000, 0)
		h.Format = tar.FormatPAX
		if err := tw.WriteHeader(&h); err != nil {
			return fmt.Errorf("%s: %w", h.Name, err)
		}
		if _, err := tw.Write(e.body); err != nil {
			return err
		}
	}
	return tw.Close()
}

// busyboxRoot is a root filesystem with nothing but busybox in it.
func busyboxRoot(ctx context.Context) ([]entry, error) {
	program, err := os.ReadFile("/bin/busybox")
	if err != nil {
		return nil, fmt.Errorf("%w (install busybox-static)", err)
	}
	if bytes.Contains(program, []byte("/lib64/ld-linux")) {
		return nil, errors.New("/bin/busybox is not static (install busybox-static)")
	}
	applets, err := output(ctx, "", "/bin/busybox", "--list")
	if err != nil {
		return nil, err
	}
	entries := []entry{
		dir("bin", 0o755), dir("etc", 0o755), dir("root", 0o700), dir("home", 0o755), dir("tmp", 0o1777),
		dir("usr", 0o755), dir("usr/bin", 0o755), dir("var", 0o755), dir("srv", 0o755),
		file("bin/busybox", 0o755, string(program)),
		file("etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/home:/bin/sh\n"),
		file("etc/group", 0o644, "root:x:0:\nguest:x:1000:\n"),
		file("etc/os-release", 0o644, "ID=busybox\nPRETTY_NAME=\"busybox\"\n"),
	}
	for name := range strings.FieldsSeq(string(applets)) {
		if name != "busybox" && name != "init" && name != "linuxrc" && !strings.Contains(name, "/") {
			entries = append(entries, hardlink("bin/"+name, "bin/busybox"))
		}
	}
	return entries, nil
}

func writeTar(path string, entries []entry) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(packTar(f, entries), f.Close())
}

func makeBusybox(ctx context.Context, path string) error {
	entries, err := busyboxRoot(ctx)
	if err != nil {
		return err
	}
	return writeTar(path, entries)
}

// makeAlpineLike makes what Alpine's container image is to banger: a busybox
// init whose inittab calls an openrc that is not there.
func makeAlpineLike(ctx context.Context, path string) error {
	entries, err := busyboxRoot(ctx)
	if err != nil {
		return err
	}
	return writeTar(path, append(entries,
		dir("sbin", 0o755),
		symlink("sbin/init", "/bin/busybox"),
		file("etc/alpine-release", 0o644, "3.20.0\n"),
		file("etc/inittab", 0o644, "::sysinit:/sbin/openrc sysinit\n::wait:/sbin/openrc default\n::shutdown:/sbin/openrc shutdown\n"),
	))
}

// tarKinds are the root filesystems that scripts make with "mktar".
func tarKinds(ctx context.Context, kind string) ([]entry, error) {
	outside := "\n::escaped::\n"
	switch kind {
	case "dotdot":
		return append(basics(), file("../../../../../../tmp/banger-escaped", 0o644, outside)), nil
	case "absolute":
		return append(basics(), file("/etc/absolute", 0o644, "inside\n")), nil
	case "link-escape":
		return append(basics(), symlink("srv/out", "/../../../../tmp"), file("srv/out/banger-escaped", 0o644, outside)), nil
	case "hardlink-escape":
		return append(basics(), hardlink("srv/passwd", "../../../../etc/passwd")), nil
	case "odd":
		entries, err := busyboxRoot(ctx)
		if err != nil {
			return nil, err
		}
		return append(entries, oddities()...), nil
	default:
		return nil, fmt.Errorf("no tar called %q", kind)
	}
}

func basics() []entry {
	return []entry{dir("etc", 0o755), dir("srv", 0o755), file("etc/os-release", 0o644, "ID=tiny\n")}
}

// oddities are legal things that image formats often lose.
func oddities() []entry {
	program, _ := os.ReadFile("/bin/busybox")
	capable := file("srv/capable", 0o755, string(program))
	// VFS_CAP_REVISION_2 with the effective bit, and CAP_CHOWN (bit 0).
	capable.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": "\x01\x00\x00\x02" +
		"\x01\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"}
	owned := file("srv/owned", 0o4711, "x")
	owned.Uid, owned.Gid = 70000, 70001
	return []entry{
		capable, owned,
		{Header: tar.Header{Typeflag: tar.TypeChar, Name: "srv/null", Mode: 0o666, Devmajor: 1, Devminor: 3}},
		{Header: tar.Header{Typeflag: tar.TypeFifo, Name: "srv/fifo", Mode: 0o600}},
		file("srv/"+strings.Repeat("n", 255), 0o644, "long\n"),
		file("srv/ünïcode ☃", 0o644, "snow\n"),
		symlink("srv/climb", "../../../../../etc/os-release"),
	}
}
