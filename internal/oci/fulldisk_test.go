package oci_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/oci"
)

func TestFullDiskLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		why := "a small filesystem cannot be mounted: " + err.Error()
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	c := setup{oci.NewClient(dir, oci.Options{Transport: transport(t), Architecture: "amd64"}), dir}
	s := newServer(t)
	big, zeros := makeTar(t, "a", noise(3<<20)), makeTar(t, "zeros", strings.Repeat("\x00", 3<<20))
	for name, ref := range map[string]string{
		"the blob":  s.push(t, "big:1", makeImage(t, "amd64", makeLayer(t, big, gzipped(t, big)))).String(),
		"the spool": s.push(t, "zeros:1", makeImage(t, "amd64", makeLayer(t, zeros, gzipped(t, zeros)))).String(),
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := c.pull(t.Context(), mustRef(t, ref), nil)
			if !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "no space left in "+dir) || fault.HintOf(err).String() == "" {
				t.Errorf("error %v (hint %q)", err, fault.HintOf(err).String())
			}
			if _, others := c.leftovers(t); len(others) != 0 {
				t.Errorf("left behind: %v", others)
			}
			var free unix.Statfs_t
			if err := unix.Statfs(dir, &free); err != nil || free.Bfree*uint64(free.Bsize) < 900<<10 {
				t.Errorf("%d bytes are free, %v: something is still held", free.Bfree*uint64(free.Bsize), err)
			}
		})
	}
}
