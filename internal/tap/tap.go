// Package tap gives a VMM a TAP device without root: the device is in a network
// namespace that the VMM alone is in, bridged to a second one whose descriptor the
// VMM's parent has. See https://docs.kernel.org/networking/tuntap.html.
//
// The second device is why frames are right when the parent reads them: a guest
// may send segments of 64 KiB without a checksum (virtio-net's offloads), and the
// kernel cuts and completes them for a device that has no offloads.
package tap

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/bangervm/banger/internal/rtnetlink"
)

// ControlDevice makes TAP devices. A VMM opens it too.
const ControlDevice = "/dev/net/tun"

// Device is a TAP device for a VMM.
type Device struct {
	Name string `json:"name"`
	MTU  int    `json:"mtu"` // in bytes, 1280 to 65520
}

// The other devices in the namespace.
const (
	parentName = "parent"
	bridgeName = "bridge"
)

// maxWaiting is how many frames wait in each direction, of 64 KiB at most; beyond,
// frames are lost.
const maxWaiting = 512

// Create makes the device in the network namespace of this thread, which needs
// CAP_NET_ADMIN there and should have nothing else in the namespace. A VMM that
// runs as uid can attach to the device without a capability. The descriptor, which
// the caller closes, has the frames: see Open. The devices are gone when the namespace
// is, which the descriptor keeps.
func (d Device) Create(uid int) (fd int, err error) {
	// IPv6 would send frames of its own. Where it cannot be turned off, because /proc
	// is read-only, a guest sees a router solicitation, which does no harm.
	for _, which := range []string{"all", "default"} {
		err := os.WriteFile("/proc/sys/net/ipv6/conf/"+which+"/disable_ipv6", []byte("1"), 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, unix.EROFS) {
			return -1, err
		}
	}
	if err := d.createForVMM(uid); err != nil {
		return -1, fmt.Errorf("create the TAP device: %w", err)
	}
	frames, err := attach(parentName, unix.IFF_TAP|unix.IFF_NO_PI)
	if err != nil {
		return -1, fmt.Errorf("create the parent's TAP device: %w", err)
	}
	if err := errors.Join(unix.IoctlSetInt(frames, unix.TUNSETOFFLOAD, 0), d.join()); err != nil {
		return -1, errors.Join(fmt.Errorf("bridge the TAP device: %w", err), unix.Close(frames))
	}
	return frames, nil
}

// createForVMM makes the device that outlives its descriptor.
func (d Device) createForVMM(uid int) error {
	fd, err := attach(d.Name, unix.IFF_TAP|unix.IFF_NO_PI|unix.IFF_VNET_HDR)
	if err != nil {
		return err
	}
	return errors.Join(
		unix.IoctlSetInt(fd, unix.TUNSETOWNER, uid),
		unix.IoctlSetInt(fd, unix.TUNSETPERSIST, 1),
		unix.Close(fd),
	)
}

func attach(name string, flags uint16) (int, error) {
	fd, err := unix.Open(ControlDevice, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return -1, &fs.PathError{Op: "open", Path: ControlDevice, Err: err}
	}
	request, err := unix.NewIfreq(name)
	if err == nil {
		request.SetUint16(flags)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, request)
	}
	if err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("attach to %s: %w", name, err)
	}
	return fd, nil
}

// join makes the bridge between the two devices. It does not listen for multicast
// groups, since it would have to join some, in sight of the guest.
func (d Device) join() error {
	c, err := rtnetlink.Dial()
	if err != nil {
		return err
	}
	defer c.Close()
	bridge := rtnetlink.Link(unix.RTM_NEWLINK, 0, true)
	bridge.Flags = unix.NLM_F_CREATE | unix.NLM_F_EXCL
	bridge.Attribute(unix.IFLA_IFNAME, []byte(bridgeName+"\x00"))
	var info, settings rtnetlink.Message
	settings.Attribute(unix.IFLA_BR_MCAST_SNOOPING, []byte{0})
	info.Attribute(unix.IFLA_INFO_KIND, []byte("bridge"))
	info.Nested(unix.IFLA_INFO_DATA, settings)
	bridge.Nested(unix.IFLA_LINKINFO, info)
	if err := c.Ask("create a bridge", bridge); err != nil {
		return err
	}
	master, err := c.Index(bridgeName)
	if err != nil {
		return err
	}
	for _, name := range []string{d.Name, parentName} {
		index, err := c.Index(name)
		if err != nil {
			return err
		}
		port := rtnetlink.Link(unix.RTM_NEWLINK, index, true)
		port.Number(unix.IFLA_MTU, uint32(d.MTU))
		port.Number(unix.IFLA_TXQLEN, maxWaiting)
		port.Number(unix.IFLA_MASTER, uint32(master))
		if err := c.Ask("add a port", port); err != nil {
			return err
		}
	}
	return nil
}
