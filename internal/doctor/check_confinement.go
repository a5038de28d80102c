package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/cgroup"
)

// What Landlock can from which ABI on.
const (
	landlockTCP    = 4
	landlockScopes = 6
)

// Confinement is what this host's kernel offers an ordinary user for shutting
// in a program.
type Confinement struct {
	LandlockABI int // 0: none
	Namespaces  bool
	Mounts      bool // also mount namespaces
	// Controllers are those that a VMM's control group can have; nil: it has no group,
	// and NoGroup says why.
	Controllers []string
	NoGroup     error
}

// allow is the remedy where namespaces are refused.
const allow = "allow unprivileged user namespaces if that suits this host"

// offers are what the host offers, and what it does not, with the remedies.
type offers struct{ holds, lacks, remedies []string }

func checkConfinement(ctx context.Context, w World) verdict {
	c := w.Confinement(ctx)
	o := &offers{holds: []string{"a private environment, resource limits and no new privileges"}}
	o.files(c)
	if c.Namespaces {
		o.holds = append(o.holds, "private user and network namespaces")
	} else {
		o.lack(allow, "this host does not let you create user and network namespaces")
	}
	o.group(c, w.runsSystemd())
	text := "a VMM gets " + strings.Join(o.holds, ", ")
	if len(o.lacks) == 0 {
		return ok("%s", text)
	}
	return warn(strings.Join(o.remedies, "; "), "%s; %s", text, strings.Join(o.lacks, "; "))
}

func (o *offers) lack(remedy, format string, args ...any) {
	o.lacks = append(o.lacks, fmt.Sprintf(format, args...))
	if !slices.Contains(o.remedies, remedy) {
		o.remedies = append(o.remedies, remedy)
	}
}

func (o *offers) files(c Confinement) {
	const (
		newer  = "boot a newer kernel"
		enable = "boot a kernel with Landlock (5.13 or newer, and landlock among the lsm= of its command line)"
	)
	switch abi := c.LandlockABI; {
	case abi == 0 && c.Mounts:
		o.lack(enable, "this kernel has no Landlock: a VM's monitor can open every file that you can")
		o.holds = append(o.holds, "only its own files (mount namespace)")
		return
	case abi == 0:
		o.lack(enable, "this kernel has no Landlock: a VMM can open every file that you can")
		return
	case abi < landlockTCP:
		o.lack(newer, "Landlock ABI %d does not cover TCP ports and signals", abi)
	case abi < landlockScopes:
		o.lack(newer, "Landlock ABI %d does not cover signals", abi)
	}
	if c.Mounts {
		o.holds = append(o.holds, fmt.Sprintf("only its own files (mount namespace, Landlock ABI %d)", c.LandlockABI))
		return
	}
	o.holds = append(o.holds, fmt.Sprintf("only its own files (Landlock ABI %d)", c.LandlockABI))
	o.lack(allow, "this host does not let you create mount namespaces: a compromised Firecracker could connect to your Unix sockets")
}

func (o *offers) group(c Confinement, systemd bool) {
	if c.NoGroup != nil {
		if systemd {
			o.lack("loginctl enable-linger", "no control group limits a VMM: %v", c.NoGroup)
		} else {
			o.holds = append(o.holds, "no control group and so no limit of a VMM's memory, since this host does not run systemd")
		}
		return
	}
	o.holds = append(o.holds, "a control group ("+strings.Join(c.Controllers, " ")+")")
	if missing := cgroup.Missing(c.Controllers); slices.Contains(missing, "memory") || slices.Contains(missing, "cpu") {
		o.lack("set Delegate=cpu memory pids io with sudo systemctl edit user@.service, then log in again",
			"your systemd does not delegate %s", strings.Join(missing, ", "))
	}
}
