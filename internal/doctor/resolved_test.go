package doctor

import (
	"context"
	"strings"
	"testing"
)

func TestWhatResolvedNeedsToForwardNames(t *testing.T) {
	const (
		server    = "127.128.0.1:5300"
		main      = "etc/systemd/resolved.conf"
		dropIn    = "etc/systemd/resolved.conf.d/banger.conf"
		write     = `sudo mkdir -p /etc/systemd/resolved.conf.d && printf '[Resolve]\nDNS=127.128.0.1:5300\nDomains=~vm\n' | sudo tee /etc/systemd/resolved.conf.d/banger.conf && `
		restart   = "sudo systemctl restart systemd-resolved"
		right     = "[Resolve]\nDNS=127.128.0.1:5300\nDomains=~vm\n"
		elsewhere = "set these servers on a network connection instead, because here they also get queries for VM names (DNS=192.0.2.1 in /"
	)
	for name, tt := range map[string]struct {
		files   map[string]string
		systemd string
		want    string // a prefix, if it ends in "…"
	}{
		"nothing":              {nil, "", write + restart},
		"Debian's own":         {map[string]string{main: "[Resolve]\n#DNS=\n;DNSSEC=yes\n#DNSSEC=no\n"}, "", write + restart},
		"there":                {map[string]string{dropIn: right}, "", restart + "; /etc/systemd/resolved.conf.d/banger.conf is correct, but …"},
		"commented out":        {map[string]string{dropIn: "#" + strings.ReplaceAll(right, "\n", "\n#")}, "", write + restart},
		"another port":         {map[string]string{dropIn: "DNS=127.128.0.1:5301"}, "", write + restart},
		"another user's":       {map[string]string{dropIn: "DNS=127.130.0.1:5300"}, "", "note that only one user's VMs can have names: another user's VMs lose theirs (DNS=127.130.0.1:5300 in /etc/systemd/resolved.conf.d/banger.conf); then " + write + restart},
		"servers":              {map[string]string{main: "DNS=192.0.2.1"}, "", elsewhere + main + "); then " + write + restart},
		"servers beside":       {map[string]string{dropIn: right, "run/systemd/resolved.conf.d/z.conf": "DNS = 192.0.2.1"}, "", elsewhere + "run/systemd/resolved.conf.d/z.conf); then " + restart},
		"servers taken off":    {map[string]string{main: "DNS=192.0.2.1", "etc/systemd/resolved.conf.d/a.conf": "DNS=", dropIn: right}, "", restart + "; …"},
		"servers hidden":       {map[string]string{"usr/lib/systemd/resolved.conf.d/a.conf": "DNS=192.0.2.1", "etc/systemd/resolved.conf.d/a.conf": "", dropIn: right}, "", restart + "; …"},
		"the main file hidden": {map[string]string{"usr/lib/systemd/resolved.conf": "DNS=192.0.2.1", main: "", dropIn: right}, "", restart + "; …"},
		"DNSSEC":               {map[string]string{main: "DNSSEC=yes", dropIn: right}, "", "set DNSSEC=allow-downgrade, because VM names are not signed (DNSSEC=yes in /etc/systemd/resolved.conf); then " + restart},
		"DNSSEC no more":       {map[string]string{main: "DNSSEC=yes", dropIn: right + "DNSSEC=no"}, "", restart + "; …"},
		"TLS":                  {map[string]string{main: "DNSOverTLS=True", dropIn: right}, "", "set DNSOverTLS=opportunistic, because bangerd does not support TLS (DNSOverTLS=True in /etc/systemd/resolved.conf); then " + restart},
		"old":                  {nil, "systemd 245 (245.4-4ubuntu3)\n+PAM", "update systemd: version 245's resolver …"},
		"old enough":           {nil, "systemd 246 (v246.1)\n+PAM", write + restart},
		"not all there":        {map[string]string{dropIn: "DNS=127.128.0.1:5300"}, "", write + restart},
		"search":               {map[string]string{dropIn: right, "etc/systemd/resolved.conf.d/z.conf": "Domains=example.org"}, "", restart + "; …"},
	} {
		t.Run(name, func(t *testing.T) {
			w, files := healthy()
			for path, text := range tt.files {
				files[path] = file(text)
			}
			w.Output = func(_ context.Context, name string, _ ...string) (string, error) {
				if name != "systemctl" {
					t.Errorf("%s was run", name)
				}
				return tt.systemd, nil
			}
			got := w.resolvedForwarding(t.Context(), server)
			if begin, open := strings.CutSuffix(tt.want, "…"); got != tt.want && (!open || !strings.HasPrefix(got, begin)) {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
		})
	}
}
