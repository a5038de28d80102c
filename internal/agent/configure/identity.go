package configure

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/agent/regular"
	"github.com/bangervm/banger/internal/agentrpc"
)

// maxHosts bounds what is read of the image's /etc/hosts, in bytes.
const maxHosts = 1 << 20

// identity gives the guest its names. What an image keeps it from writing is noted:
// the guest goes on.
func (c *configuring) identity(context.Context) error {
	if name := c.cfg.Hostname; name != "" {
		if err := unix.Sethostname([]byte(name)); err != nil {
			c.note("set the hostname %q: %v", name, err)
		}
	}
	c.identityFiles()
	return nil
}

func (c *configuring) identityFiles() {
	if name := c.cfg.Hostname; name != "" {
		c.put(agentrpc.File{Path: "/etc/hostname", Mode: 0o644, Data: []byte(name + "\n")})
		if data, ok := c.tree.hosts(name); ok {
			c.put(agentrpc.File{Path: "/etc/hosts", Mode: 0o644, Data: data})
		}
	}
	if c.cfg.MachineID != "" {
		c.put(agentrpc.File{Path: "/etc/machine-id", Mode: 0o444, Data: []byte(c.cfg.MachineID + "\n")})
	}
}

// put places f, or notes why not.
func (c *configuring) put(f agentrpc.File) {
	if err := c.tree.place(f); err != nil {
		c.note("write %s: %v", f.Path, err)
	}
}

// hosts returns what /etc/hosts should be for name to lead to the guest itself.
// What is no file is taken for an empty one; a file over maxHosts is left alone.
func (t tree) hosts(name string) (data []byte, ok bool) {
	data, err := regular.ReadIn(t.root, "/etc/hosts", maxHosts)
	if errors.Is(err, regular.ErrTooLarge) {
		return nil, false
	}
	next := hosts(data, name)
	return next, err != nil || !bytes.Equal(next, data)
}

// ours marks the line of /etc/hosts that banger adds, so that it goes when the VM
// is renamed.
const ours = "# by banger"

func hosts(data []byte, name string) []byte {
	names := map[string]bool{}
	var kept []byte
	for line := range strings.Lines(string(data)) {
		entry, _, _ := strings.Cut(line, "#")
		fields := strings.Fields(entry)
		if strings.HasSuffix(strings.TrimSpace(line), ours) && len(fields) == 2 && fields[1] != name {
			continue
		}
		kept = append(kept, line...)
		for i, n := range fields {
			names[n] = names[n] || i > 0
		}
	}
	if len(kept) > 0 && kept[len(kept)-1] != '\n' {
		kept = append(kept, '\n')
	}
	if !names["localhost"] {
		kept = append(kept, "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"...)
	}
	if !names[name] {
		kept = append(kept, "127.0.1.1\t"+name+"\t"+ours+"\n"...)
	}
	return kept
}

func (c *configuring) files(context.Context) error {
	for _, f := range c.cfg.Files {
		if !filepath.IsAbs(f.Path) {
			c.note("the path %q of a file to place is not absolute", f.Path)
			continue
		}
		c.put(f)
	}
	return nil
}
