//go:build e2e

package e2e

import (
	"os/exec"
	"strings"
	"syscall"
)

// isolated makes cmd run in a network namespace of its own, where loopback has
// the addresses of an internet of its own: no packet leaves the machine. The
// kernel's limits are those of an ordinary host, but for what the scripts test:
// ports from 7 on may be listened to, and anybody may ping.
func (acct *account) isolated(cmd *exec.Cmd) {
	setup := []string{"ip link set lo up"}
	for _, addr := range []string{addrAllowed, addrOther, addrPrivate, addrMetadata} {
		setup = append(setup, "ip addr add "+addr+"/32 dev lo")
	}
	setup = append(setup,
		"ip -6 addr add "+addrV6+"/128 dev lo nodad",
		"echo 7 > /proc/sys/net/ipv4/ip_unprivileged_port_start",
		"echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range",
		// No right on the network is left to the script.
		"exec setpriv --ambient-caps=-all --inh-caps=-all -- \"$@\"",
	)
	argv := append([]string{"sh", "-ec", strings.Join(setup, "\n"), "sh"}, cmd.Args...)
	cmd.Path, cmd.Args = "/bin/sh", argv
	const capNetAdmin = 12
	attr := cmd.SysProcAttr
	attr.Cloneflags |= syscall.CLONE_NEWNET
	if acct.dedicated { // the parent is root, whose namespace is the machine's own
		attr.AmbientCaps = []uintptr{capNetAdmin}
		return
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: acct.uid, HostID: acct.uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: acct.gid, HostID: acct.gid, Size: 1}}
	attr.AmbientCaps = []uintptr{capNetAdmin}
}
