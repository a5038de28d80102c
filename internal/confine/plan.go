// Package confine starts a program so that it reaches only what it needs:
// a step between fork and exec, in its own process, gives up everything
// else by Landlock, seccomp, namespaces and resource limits. None of it needs
// root. What the kernel does not offer is left out, and the report says so.
package confine

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/cgroup"
	"github.com/bangervm/banger/internal/tap"
)

// Plan says what a program may do. Paths that do not exist are passed over;
// those of directories hold for all below them.
type Plan struct {
	// Read may be read and executed, Write read, written, made and removed in.
	Read  []string `json:"read,omitempty"`
	Write []string `json:"write,omitempty"`
	// Devices may be read, written and controlled.
	Devices []string `json:"devices,omitempty"`
	// SocketsIn are directories in which unix sockets may be made, and files of any
	// kind removed: Landlock does not tell these apart.
	SocketsIn []string `json:"sockets_in,omitempty"`
	// NoSockets: it may use the sockets that it inherits, and make no other; nor
	// may it look into other processes.
	NoSockets bool `json:"no_sockets,omitempty"`
	// FileBytes bounds the files that it writes, Files its descriptors, Processes
	// its processes and threads; 0: as they are.
	FileBytes int64 `json:"file_bytes,omitempty"`
	Files     int64 `json:"files,omitempty"`
	// Processes counts only in its own namespaces.
	Processes int64 `json:"processes,omitempty"`
	// Namespaces: it was started in separate user and network namespaces.
	Namespaces bool `json:"namespaces,omitempty"`
	// Mounts: it has a mount namespace too, and CAP_SYS_ADMIN there, for a root of nothing but
	// its paths.
	Mounts bool `json:"mounts,omitempty"`
	// Room is a directory that becomes its root, and has all of its paths: see MakesRoom. It needs
	// CAP_SYS_CHROOT, and Namespaces; empty: none.
	Room string `json:"room,omitempty"`
	// MakesRoom is what a program that this one starts needs. A room of that is made at its
	// Room, a directory, since a process under Landlock cannot mount. The program was started with OwnMounts, and finds
	// the room in RoomEnv. Where the host refuses it, there is none.
	MakesRoom *Plan `json:"makes_room,omitempty"`
	// TAP is a device to make in its network namespace, whose frames go to the
	// reader of ReportFD; nil: none. The process needs CAP_NET_ADMIN there.
	TAP *tap.Device `json:"tap,omitempty"`
	// JailedAs is the user that the program, which is root's, becomes after it has
	// confined itself, as Firecracker's jailer does; 0: it does not. It keeps its
	// capabilities and is not under Landlock, which forbids mounts. It is supervised, and
	// was started in network and process-ID namespaces.
	JailedAs int `json:"jailed_as,omitempty"`
	// DiesWithParent: it was started with a parent-death signal (SIGKILL), which the
	// program keeps.
	DiesWithParent bool `json:"dies_with_parent,omitempty"`
	// Capabilities are those that a program of root's keeps, and can have again: see
	// capabilities(7). It is not under Landlock, which forbids mounts. Nil: see Namespaces.
	Capabilities []uintptr `json:"capabilities,omitempty"`
	// Scope is a unit of the user's systemd to enter; nil: none. Where systemd does not
	// give it, the program runs without. It finds the group for a VMM in GroupEnv.
	Scope *cgroup.Scope `json:"scope,omitempty"`
	// Env is its whole environment.
	Env []string `json:"env,omitempty"`
	// ReportFD is a stream socket that gets the Report: see ReadReport. 0: the program
	// finds it in ReportEnv instead.
	ReportFD int `json:"report_fd,omitempty"`
}

// ReportEnv is the variable in which a program finds its Report as text.
const ReportEnv = "BANGER_CONFINED"

// GroupEnv is the variable in which a program finds the directory of the control
// group that it may start a VMM in.
const GroupEnv = "BANGER_CGROUP"

// Report is what holds of a confined program, as words for people, in order.
type Report []string

// String is the report on one line; ParseReport reads it.
func (r Report) String() string { return strings.Join(r, ", ") }

// ParseReport reads what String gave.
func ParseReport(text string) Report {
	if text == "" {
		return nil
	}
	return strings.Split(text, ", ")
}

// OwnReport is what holds of this process, if it was confined.
func OwnReport() Report { return ParseReport(os.Getenv(ReportEnv)) }

// Arguments are those of Command that confine the program with these arguments.
func (p Plan) Arguments(program string, args []string) ([]string, error) {
	data, err := json.Marshal(p)
	if err != nil {
		return nil, fmt.Errorf("write down the confinement: %w", err)
	}
	return append([]string{string(data), program}, args...), nil
}

// JailNamespaces makes a process of root's start where Plan.JailedAs needs it.
func JailNamespaces(attr *syscall.SysProcAttr) {
	attr.Cloneflags |= syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC | syscall.CLONE_NEWPID
}

// Namespaces makes a process start in separate user and network namespaces,
// in which it is the same user and has these capabilities. Whether that is allowed
// shows at the start: see NoNamespaces.
func Namespaces(attr *syscall.SysProcAttr, uid int, capabilities ...uintptr) {
	attr.AmbientCaps = capabilities
	attr.Cloneflags |= syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET | syscall.CLONE_NEWIPC
	sameUser(attr, uid)
}

// sameUser makes a process the same user and group in its user namespace.
func sameUser(attr *syscall.SysProcAttr, uid int) {
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getgid(), HostID: os.Getgid(), Size: 1}}
}
