package vmmtest

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vmm"
)

// Driver is a driver without a VMM. Its guests obey, as Contract asks of a guest,
// from the start and on every port.
type Driver struct{}

// Program is the only one that it runs.
const Program = "/vmmtest"

// Name implements vmm.Driver.
func (Driver) Name() string { return "vmmtest" }

// Look implements vmm.Driver.
func (Driver) Look(context.Context, *vmm.Host, string) vmm.Finding {
	return vmm.Finding{Driver: "vmmtest", Program: Program}
}

// Boots implements vmm.Driver.
func (Driver) Boots(vmm.Kernel) error { return nil }

// Needs implements vmm.Driver.
func (Driver) Needs(string) vmm.Needs { return vmm.Needs{} }

// Sweep implements vmm.Driver.
func (Driver) Sweep(string, vmm.Spec) error { return nil }

// Start implements vmm.Driver.
func (Driver) Start(ctx context.Context, spec vmm.Spec, site vmm.Site) (vmm.Machine, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if spec.Program != Program {
		return nil, fault.New(fault.Unavailable, "%s does not start", spec.Program)
	}
	for _, disk := range spec.Disks {
		if disk.Pin == nil { // these machines have no use for a disk
			continue
		}
		f, err := disk.Open()
		if err != nil {
			return nil, err
		}
		_ = f.Close()
	}
	if err := errors.Join(goesOn(spec), resumes(spec)); err != nil {
		return nil, err
	}
	path := filepath.Join(site.Dir, vmm.VsockSocket)
	listener, err := statedir.ListenUnix(path)
	if err != nil {
		return nil, err
	}
	m := NewMachine()
	m.Shape, _ = Driver{}.Shape(spec)
	m.saves = saver(spec)
	m.onPress = func() { m.End(vmm.Exit{Cause: vmm.GuestReset, Detail: "the guest reset the machine"}) }
	var ends []io.Closer
	if spec.NIC != nil && site.NIC != nil {
		ours, theirs := net.Pipe()
		ends = append(ends, theirs)
		site.NIC(ours)
	}
	m.release = func() {
		for _, end := range append(ends, listener) {
			_ = end.Close()
		}
		_ = os.Remove(path)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go m.obey(conn)
		}
	}()
	return m, nil
}

// obey is the guest at the other end of a connection.
func (m *Machine) obey(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	lines := bufio.NewReader(conn)
	if line, err := lines.ReadString('\n'); err != nil || !strings.HasPrefix(line, "CONNECT ") {
		return
	}
	if _, err := io.WriteString(conn, "OK 1073741824\n"); err != nil {
		return
	}
	command, err := lines.ReadString('\n')
	if err != nil {
		return
	}
	switch strings.TrimSpace(command) {
	case "echo":
		_, _ = io.Copy(conn, lines)
	case "poweroff":
		m.End(vmm.Exit{Cause: vmm.GuestOff, Detail: "the guest powered off"})
	case "reboot":
		m.End(vmm.Exit{Cause: vmm.GuestReset, Detail: "the guest reset the machine"})
	}
}
