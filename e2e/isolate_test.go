//go:build e2e

package e2e

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// isolated makes cmd run in its own network namespace, the host, with one
// cable into another one, the internet, where `internet` serves: no packet leaves
// the machine. The kernel's limits on the host are those of an ordinary one, but
// for what the scripts test: ports from 7 on may be listened to, and anybody may
// ping. internet is a command too; it ends with cmd.
func (acct *account) isolated(cmd *exec.Cmd, internet []string) {
	addresses := "ip addr add " + addrV6 + " dev lo nodad\n" // to be used at once
	for _, addr := range []string{addrAllowed, addrOther, addrShort, addrPrivate, addrMetadata} {
		addresses += "ip addr add " + addr + " dev lo\n"
	}
	const drop = "setpriv --ambient-caps=-all --inh-caps=-all"
	there := "ip link set lo up\n" + addresses +
		"echo 0 > /proc/sys/net/ipv4/ip_unprivileged_port_start\n" +
		"tries=0\n" + // for the other end of the cable to be there
		"until ip addr show dev cable 2>/dev/null | grep -q " + internetAddress + "; do tries=$((tries + 1)); [ $tries -lt 5000 ]; done\n" +
		"exec " + drop + " --pdeathsig KILL -- \"$@\""
	cable := strings.NewReplacer("HOST4", hostAddress, "NET4", internetAddress).Replace(`
		ip link add cable type veth peer name cable netns $internet
		ip addr add HOST4/30 dev cable
		ip addr add 2001:db8:ff::1/64 dev cable nodad
		ip link set cable up
		nsenter -t $internet -n ip addr add NET4/30 dev cable
		nsenter -t $internet -n ip addr add 2001:db8:ff::2/64 dev cable nodad
		nsenter -t $internet -n ip link set cable up
		ip route add default via NET4
		ip -6 route add default via 2001:db8:ff::2`)
	here := `
		ip link set lo up
		there=$1; count=$2; shift 2
		unshare -n -- sh -ec "$there" sh ` + arguments(len(internet)) + ` &
		internet=$!
		shift $count
		while [ "$(readlink /proc/$internet/ns/net)" = "$(readlink /proc/self/ns/net)" ]; do kill -0 $internet; done` + cable + `
		echo 7 > /proc/sys/net/ipv4/ip_unprivileged_port_start
		echo '0 2147483647' > /proc/sys/net/ipv4/ping_group_range
		exec ` + drop + ` -- "$@"`
	argv := append([]string{"sh", "-ec", here, "sh", there, strconv.Itoa(len(internet))}, internet...)
	cmd.Path, cmd.Args = "/bin/sh", append(argv, cmd.Args...)
	const capNetAdmin, capSysAdmin = 12, 21
	attr := cmd.SysProcAttr
	attr.AmbientCaps = []uintptr{capNetAdmin, capSysAdmin}
	attr.Cloneflags |= syscall.CLONE_NEWNET
	if acct.dedicated { // the parent is root, whose user namespace is the machine's own
		return
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: acct.uid, HostID: acct.uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: acct.gid, HostID: acct.gid, Size: 1}}
}

// arguments are the shell's first n, quoted.
func arguments(n int) string {
	var all []string
	for i := range n {
		all = append(all, `"${`+strconv.Itoa(i+1)+`}"`)
	}
	return strings.Join(all, " ")
}
