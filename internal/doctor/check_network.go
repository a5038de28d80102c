package doctor

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/act"
)

// namesName is the name under .vm that bangerd always answers for, with the
// address at which it answers: another user's bangerd says another.
const namesName = "gateway.vm"

// checkNames sees whether every program of this host finds NAME.vm. Without it
// VMs are reached by their addresses.
func checkNames(ctx context.Context, w World) verdict {
	if w.Daemon == nil {
		return info("not asked")
	}
	d, err := w.Daemon(ctx)
	switch {
	case err != nil:
		return info("unknown: the daemon does not answer")
	case d.NamesProblem != "" && d.Names != "":
		return warn("", "the daemon answers for VM names at %s instead: %s", d.Names, d.NamesProblem).
			mend("stop the program that uses the port, then %s; or set names_port under [network] in %s "+
				"and have the resolver ask there: any program on that port can answer all queries that the resolver sends there",
				act.DaemonStop.Do(), w.Dirs.ConfigFile())
	case d.NamesProblem != "":
		return warn("set names_port under [network] in "+w.Dirs.ConfigFile()+" to a free port", "the daemon does not serve VM names: %s", d.NamesProblem)
	case d.Names == "":
		return info("VM names are turned off")
	case w.answersFor(ctx, d.Names):
		return ok("NAME.vm resolves to the address of a VM")
	default:
		return warn(w.forwarding(ctx, d.Names), "this host's resolver does not forward .vm to bangerd (%s): banger shows VMs by address", d.Names)
	}
}

// answersFor reports whether the host's resolver asks at server, ADDRESS:PORT.
func (w World) answersFor(ctx context.Context, server string) bool {
	at, err := netip.ParseAddrPort(server)
	return err == nil && w.Resolves(ctx, namesName, at.Addr())
}

// forwarding says how the resolver that this host has can be made to ask at server.
func (w World) forwarding(ctx context.Context, server string) string {
	if _, err := w.stat("/run/systemd/resolve"); err == nil {
		return w.resolvedForwarding(ctx, server)
	}
	if host, port, err := net.SplitHostPort(server); err == nil {
		if info, err := w.stat("/etc/dnsmasq.d"); err == nil && info.IsDir() {
			return "echo server=/vm/" + host + "#" + port + " | sudo tee /etc/dnsmasq.d/banger.conf && sudo systemctl restart dnsmasq"
		}
	}
	return "have the resolver that /etc/resolv.conf names forward the domain vm to " + server + " (docs/network.md)"
}

// checkLowPorts and checkPing only inform: nothing is wrong with either answer.
func checkLowPorts(_ context.Context, w World) verdict {
	const setting = "net.ipv4.ip_unprivileged_port_start"
	fields := w.sysctl(setting)
	first := 0
	if len(fields) == 1 {
		first, _ = strconv.Atoi(fields[0])
	}
	switch {
	case len(fields) != 1:
		return info("cannot read %s", setting)
	case w.UID == 0 || first <= 1:
		return ok("guest ports can keep their numbers on the host")
	default:
		return info("guest ports below %d get other host ports, which the list of a VM's ports shows (%s)", first, setting)
	}
}

func checkPing(_ context.Context, w World) verdict {
	const setting = "net.ipv4.ping_group_range"
	fields := w.sysctl(setting)
	if len(fields) != 2 {
		return info("cannot read %s", setting)
	}
	low, lowErr := strconv.Atoi(fields[0])
	high, highErr := strconv.Atoi(fields[1])
	if lowErr == nil && highErr == nil && slices.ContainsFunc(w.Groups, func(gid int) bool { return low <= gid && gid <= high }) {
		return ok("guests can ping the outside")
	}
	return info("guests cannot ping the outside: %s is %s, which includes no group of %s", setting, strings.Join(fields, " "), w.User)
}

// sysctl is the words of a kernel setting; none when it cannot be read.
func (w World) sysctl(name string) []string {
	data, err := w.readHead("/proc/sys/"+strings.ReplaceAll(name, ".", "/"), 128)
	if err != nil {
		return nil
	}
	return strings.Fields(string(data))
}
