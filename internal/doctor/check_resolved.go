package doctor

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

const (
	// resolvedDropIn is where a host's systemd-resolved is told of bangerd
	// (resolved.conf(5)).
	resolvedDropIn = "/etc/systemd/resolved.conf.d/banger.conf"
	// resolvedAsksAtPorts is the first systemd whose resolver takes ADDRESS:PORT.
	resolvedAsksAtPorts = 246
	resolvedRestart     = "sudo systemctl restart systemd-resolved"
)

// resolvedForwarding says how systemd-resolved can be made to ask at server.
func (w World) resolvedForwarding(ctx context.Context, server string) string {
	if v := w.systemdVersion(ctx); v != 0 && v < resolvedAsksAtPorts {
		return fmt.Sprintf("update systemd: version %d's resolver asks servers at port 53 only; version %d and later can ask bangerd", v, resolvedAsksAtPorts)
	}
	settings := w.resolvedSettings()
	there := slices.Contains(settings, resolvedSetting{resolvedDropIn, "DNS", server}) &&
		slices.Contains(settings, resolvedSetting{resolvedDropIn, "Domains", "~vm"})
	var steps []string
	for _, s := range settings {
		if why := s.hinders(server); why != "" {
			steps = append(steps, why+" ("+s.key+"="+s.value+" in "+s.file+")")
		}
	}
	switch {
	case !there:
		steps = append(steps, "sudo mkdir -p /etc/systemd/resolved.conf.d && "+
			`printf '[Resolve]\nDNS=`+server+`\nDomains=~vm\n' | sudo tee `+resolvedDropIn+` && `+resolvedRestart)
	case len(steps) > 0:
		steps = append(steps, resolvedRestart)
	default:
		steps = append(steps, resolvedRestart+"; "+resolvedDropIn+" is correct, but systemd-resolved forwards nothing while no network is up (docs/network.md)")
	}
	return strings.Join(steps, "; then ")
}

// systemdVersion is 0 where it is not known.
func (w World) systemdVersion(ctx context.Context) (version int) {
	out, err := w.Output(ctx, "systemctl", "--version")
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscanf(out, "systemd %d", &version); err != nil {
		return 0
	}
	return version
}

// resolvedSetting is a line of the configuration of systemd-resolved.
type resolvedSetting struct{ file, key, value string }

// hinders says what to do about a setting that keeps names of VMs from being
// asked for at server; empty: it does not.
func (s resolvedSetting) hinders(server string) string {
	on := slices.Contains([]string{"yes", "true", "on", "1", "y", "t"}, strings.ToLower(s.value))
	switch {
	case s.key == "DNSSEC" && on:
		return "set DNSSEC=allow-downgrade, because VM names are not signed"
	case s.key == "DNSOverTLS" && on:
		return "set DNSOverTLS=opportunistic, because bangerd does not support TLS"
	case s.key != "DNS" || s.value == server:
		return ""
	case s.file == resolvedDropIn:
		theirs, err := netip.ParseAddrPort(s.value)
		if mine, mineErr := netip.ParseAddrPort(server); err == nil && mineErr == nil && theirs.Addr() != mine.Addr() {
			return "note that only one user's VMs can have names: another user's VMs lose theirs"
		}
		return "" // is about to be replaced
	default:
		return "set these servers on a network connection instead, because here they also get queries for VM names"
	}
}

// resolvedSettings are the lines that count, in the order in which they do: of
// those with one key the last, but for lists, which add up until an empty one.
func (w World) resolvedSettings() []resolvedSetting {
	var all []resolvedSetting
	for _, file := range w.resolvedFiles() {
		data, err := w.readHead(file, 16<<10)
		if err != nil {
			continue
		}
		for line := range bytes.Lines(data) {
			key, value, ok := strings.Cut(string(line), "=")
			if key = strings.TrimSpace(key); !ok || strings.HasPrefix(key, "#") || strings.HasPrefix(key, ";") {
				continue
			}
			value = strings.TrimSpace(value)
			all = slices.DeleteFunc(all, func(s resolvedSetting) bool { return s.key == key && (key != "DNS" && key != "Domains" || value == "") })
			if value != "" {
				all = append(all, resolvedSetting{file, key, value})
			}
		}
	}
	return all
}

// resolvedFiles are the main file and the drop-ins, which count in the order of
// their names; of one name, that of the first directory.
func (w World) resolvedFiles() []string {
	dirs := []string{"/etc/systemd/", "/run/systemd/", "/usr/local/lib/systemd/", "/usr/lib/systemd/"}
	dropIns := map[string]string{}
	for _, dir := range slices.Backward(dirs) {
		dir += "resolved.conf.d"
		entries, _ := fs.ReadDir(w.Root, rooted(dir)) // mostly it is not there
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".conf") {
				dropIns[e.Name()] = dir + "/" + e.Name()
			}
		}
	}
	var files []string
	for _, dir := range dirs {
		if _, err := w.stat(dir + "resolved.conf"); err == nil {
			files = append(files, dir+"resolved.conf")
			break
		}
	}
	for _, name := range slices.Sorted(maps.Keys(dropIns)) {
		files = append(files, dropIns[name])
	}
	return files
}
