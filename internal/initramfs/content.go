package initramfs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
)

// write writes the archive for the kernel k, whose files are in dir.
func write(ctx context.Context, out io.Writer, agent *os.File, dir statedir.Kernel, k kernel.Manifest) error {
	c := newWriter(out)
	for _, e := range skeleton() {
		if err := c.add(e); err != nil {
			return err
		}
	}
	if err := addOpen(c, "init", agent, 0o755); err != nil {
		return err
	}
	list, err := json.Marshal(agentrpc.InitramfsModules{
		Version: k.Version, Boot: orEmpty(k.BootModules), Late: orEmpty(k.LateModules), Devices: k.ModuleDevices,
	})
	if err != nil {
		return err
	}
	err = c.add(entry{
		name: inArchive(agentrpc.InitramfsModulesFile), mode: typeFile | 0o644,
		size: int64(len(list)), data: bytes.NewReader(list),
	})
	if err != nil {
		return err
	}
	for _, name := range slices.Concat(k.BootModules, k.LateModules) {
		if err := ctx.Err(); err != nil {
			return err
		}
		inside := inArchive(agentrpc.InitramfsModulesDir) + "/" + name
		if err := addFile(c, inside, filepath.Join(dir.BootModules(), name), 0o644); err != nil {
			return err
		}
	}
	return c.close()
}

// skeleton is what is in every archive: the mount points, and the devices that
// the kernel opens for /init before devtmpfs is mounted.
func skeleton() []entry {
	return []entry{
		{name: "dev", mode: typeDir | 0o755},
		{name: "dev/console", mode: typeChar | 0o600, major: 5, minor: 1},
		{name: "dev/null", mode: typeChar | 0o666, major: 1, minor: 3},
		{name: "proc", mode: typeDir | 0o555},
		{name: "sys", mode: typeDir | 0o555},
		{name: "run", mode: typeDir | 0o755},
		{name: "banger", mode: typeDir | 0o755},
		{name: inArchive(agentrpc.InitramfsModulesDir), mode: typeDir | 0o755},
	}
}

func inArchive(path string) string { return strings.TrimPrefix(path, "/") }

func addFile(c *writer, name, path string, perm uint32) error {
	f, _, err := regularfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	return addOpen(c, name, f, perm)
}

// addOpen adds f from where it stands, which must be its beginning.
func addOpen(c *writer, name string, f *os.File, perm uint32) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", f.Name())
	}
	return c.add(entry{name: name, mode: typeFile | perm, size: info.Size(), data: f})
}

// orEmpty makes an absent list [] in JSON, not null.
func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}
