package vmm

import (
	"context"
	"errors"
	"io/fs"
	"strings"

	"github.com/bangervm/banger/internal/tap"
)

// TAP says whether this user can make TAP devices in a network namespace.
func (h *Host) TAP(ctx context.Context) Fact {
	missing := func(reason, remedy string) Fact {
		return Fact{About: AboutTAP, State: Missing, Reason: reason, Remedy: remedy}
	}
	err := h.OpenRW(tap.ControlDevice)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return missing(tap.ControlDevice+" does not exist", "sudo modprobe tun")
	case errors.Is(err, fs.ErrPermission):
		return missing(tap.ControlDevice+" does not open for "+h.User, "sudo chmod 0666 "+tap.ControlDevice)
	case err != nil:
		return missing(tap.ControlDevice+" does not open: "+err.Error(), "sudo modprobe tun")
	}
	if err := h.Namespaces(ctx); err != nil {
		return missing(h.whyNoNamespaces(err))
	}
	return Fact{About: AboutTAP, State: Good, Reason: "you can create TAP devices in a network namespace"}
}

// refusals are the settings by which hosts refuse namespaces, below /proc/sys.
func refusals() []refusal {
	return []refusal{
		{"kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"},
		{"user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=15000"},
		{"user/max_net_namespaces", "0", "sudo sysctl -w user.max_net_namespaces=15000"},
		{
			"kernel/apparmor_restrict_unprivileged_userns", "1",
			"install banger's AppArmor profile: see \"AppArmor\" in docs/security.md",
		},
	}
}

type refusal struct{ setting, value, remedy string }

// whyNoNamespaces is the setting that explains err, as a reason and its remedy.
func (h *Host) whyNoNamespaces(err error) (reason, remedy string) {
	for _, r := range refusals() {
		value, readErr := h.ReadHead("/proc/sys/"+r.setting, 16)
		if readErr == nil && strings.TrimSpace(string(value)) == r.value {
			return "this host refuses user or network namespaces: " + strings.ReplaceAll(r.setting, "/", ".") + " is " + r.value, r.remedy
		}
	}
	return "this host refuses user or network namespaces: " + err.Error(),
		"allow unprivileged user namespaces; if this is a container, in its seccomp profile"
}
