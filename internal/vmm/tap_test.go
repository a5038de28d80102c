package vmm

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"
)

func TestTAPNeedsTheDeviceAndNamespaces(t *testing.T) {
	refused := errors.New("fork/exec: operation not permitted")
	for _, c := range []struct {
		name           string
		device, spaces error
		setting, value string
		reason, remedy string
	}{
		{name: "good", reason: "you can create TAP devices"},
		{name: "settings that refuse nothing", setting: "kernel/unprivileged_userns_clone", value: "0\n", reason: "you can create"},
		{name: "no device", device: fs.ErrNotExist, reason: "/dev/net/tun does not exist", remedy: "modprobe tun"},
		{name: "not allowed", device: fs.ErrPermission, reason: "does not open for ann", remedy: "chmod 0666"},
		{name: "no module", device: errors.New("no such device"), reason: "no such device", remedy: "modprobe tun"},
		{
			name: "Debian's setting", spaces: refused, setting: "kernel/unprivileged_userns_clone", value: "0\n",
			reason: "kernel.unprivileged_userns_clone is 0", remedy: "sysctl -w kernel.unprivileged_userns_clone=1",
		},
		{
			name: "no user namespaces", spaces: refused, setting: "user/max_user_namespaces", value: "0\n",
			reason: "user.max_user_namespaces is 0", remedy: "sysctl -w user.max_user_namespaces=",
		},
		{
			name: "no network namespaces", spaces: refused, setting: "user/max_net_namespaces", value: "0\n",
			reason: "user.max_net_namespaces is 0", remedy: "sysctl -w user.max_net_namespaces=",
		},
		{
			name: "Ubuntu's restriction", spaces: refused, setting: "kernel/apparmor_restrict_unprivileged_userns", value: "1\n",
			reason: "kernel.apparmor_restrict_unprivileged_userns is 1", remedy: "AppArmor profile",
		},
		{
			name: "something else", spaces: refused, setting: "user/max_user_namespaces", value: "10\n",
			reason: "operation not permitted", remedy: "container",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := &Host{
				User:       "ann",
				OpenRW:     func(string) error { return c.device },
				Namespaces: func(context.Context) error { return c.spaces },
				ReadHead: func(path string, _ int64) ([]byte, error) {
					if path != "/proc/sys/"+c.setting {
						return nil, fs.ErrNotExist
					}
					return []byte(c.value), nil
				},
			}
			got := host.TAP(t.Context())
			good := c.remedy == ""
			if got.About != AboutTAP || (got.State == Good) != good || !strings.Contains(got.Reason, c.reason) ||
				!strings.Contains(got.Remedy, c.remedy) || (got.Remedy == "") != good {
				t.Errorf("%+v", got)
			}
		})
	}
}
