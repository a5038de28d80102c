package cgroup

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/bangervm/banger/internal/pace"
)

// Scope is a transient unit of the user's systemd: see org.freedesktop.systemd1(5).
type Scope struct {
	Bus         string `json:"bus"`  // the path of the user's D-Bus socket
	Unit        string `json:"unit"` // its name, which ends in .scope
	Description string `json:"description"`
	Limits      Limits `json:"limits"`
}

// Slice is the unit that has all scopes, so that a user can limit them together.
const Slice = "banger.slice"

// enterLimit bounds the wait for systemd.
const enterLimit = 5 * time.Second

// BusPath is where the user's D-Bus socket is: see systemd's pam_systemd(8).
func BusPath(uid int) string {
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join("/run/user", strconv.Itoa(uid))
	}
	return filepath.Join(dir, "bus")
}

// Delegated are the controllers that the user's systemd may give to scopes. An error
// says why it gives none.
func Delegated(uid int) ([]string, error) {
	if _, err := os.Stat(BusPath(uid)); err != nil {
		return nil, fmt.Errorf("your systemd does not answer: %w", err)
	}
	return Controllers(filepath.Join(Mount, "user.slice", fmt.Sprintf("user-%d.slice", uid), fmt.Sprintf("user@%d.service", uid)))
}

// Enter moves this process into the scope. vmm is the directory of the group for a VMM,
// with the limits, and controllers are those that it has.
func (s Scope) Enter(ctx context.Context) (vmm string, controllers []string, err error) {
	if _, err := Own(); err != nil {
		return "", nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, enterLimit)
	defer cancel()
	if err := s.start(ctx); err != nil {
		return "", nil, err
	}
	scope, err := s.await(ctx)
	if err != nil {
		return "", nil, err
	}
	return split(scope, s.Limits)
}

// property is one of a unit's, as systemd takes it.
type property struct {
	Name  string
	Value dbus.Variant
}

// auxiliary is another unit to make; there is none.
type auxiliary struct {
	Name       string
	Properties []property
}

// start asks systemd for the unit. A guest that reaches its memory's limit ends its
// VMM alone, and the monitor tells of it: systemd before 253 has no other policy for
// scopes, and does not know the property.
func (s Scope) start(ctx context.Context) error {
	conn, err := dbus.Connect("unix:path="+dbus.EscapeBusAddressValue(s.Bus), dbus.WithContext(ctx))
	if err != nil {
		return fmt.Errorf("ask the user's systemd: %w", err)
	}
	defer func() { _ = conn.Close() }()
	properties := []property{
		{"Description", dbus.MakeVariant(s.Description)},
		{"PIDs", dbus.MakeVariant([]uint32{uint32(os.Getpid())})},
		{"Slice", dbus.MakeVariant(Slice)},
		{"Delegate", dbus.MakeVariant(true)},
		{"CollectMode", dbus.MakeVariant("inactive-or-failed")},
	}
	start := func(properties ...property) error {
		return conn.Object("org.freedesktop.systemd1", "/org/freedesktop/systemd1").
			CallWithContext(ctx, "org.freedesktop.systemd1.Manager.StartTransientUnit", 0, s.Unit, "fail", properties, []auxiliary{}).Err
	}
	err = start(append(slices.Clip(properties), property{"OOMPolicy", dbus.MakeVariant("continue")})...)
	if refused, ok := errors.AsType[dbus.Error](err); ok && refused.Name == "org.freedesktop.DBus.Error.PropertyReadOnly" {
		err = start(properties...)
	}
	if err != nil {
		return fmt.Errorf("ask the user's systemd for %s: %w", s.Unit, err)
	}
	return nil
}

// await waits until systemd has moved this process.
func (s Scope) await(ctx context.Context) (string, error) {
	pauses := pace.NewBackoff(time.Millisecond, 20*time.Millisecond)
	for {
		group, err := Own()
		if err != nil {
			return "", err
		}
		if filepath.Base(group) == s.Unit || strings.HasSuffix(group, "/"+s.Unit+"/"+ownGroup) {
			return filepath.Clean(strings.TrimSuffix(group, ownGroup)), nil
		}
		if err := pauses.Pause(ctx); err != nil {
			return "", fmt.Errorf("the user's systemd does not move this process to %s: %w", s.Unit, err)
		}
	}
}
