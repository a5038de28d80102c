package process_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/bangervm/banger/internal/confine"
)

// TestMain makes the test binary serve as `bangerd confine`, the monitor and the VMM too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		var err error
		switch os.Args[1] {
		case "confine":
			os.Exit(confine.Command(os.Args[2:], os.Stderr))
		case "monitor":
			self, _ := os.Executable()
			mtu, _ := strconv.Atoi(os.Args[2])
			err = monitorMain(self, mtu)
		case "vmm":
			err = vmmMain()
		default:
			goleak.VerifyTestMain(m)
			return
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// need skips a test, or fails it where BANGER_TEST_REQUIRE=1.
func need(t *testing.T, there bool, what string) {
	t.Helper()
	if there {
		return
	}
	if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
		t.Fatal(what)
	}
	t.Skip(what)
}

// users are the ordinary user nobody where this process can become it, or this user.
func users() map[string]uint32 {
	users := map[string]uint32{"this user": uint32(os.Getuid())}
	if os.Getuid() == 0 {
		users["nobody"] = 65534
	}
	return users
}

const offloadType = 0x88b5 // IEEE 802's for experiments

var (
	guestMAC = []byte{0x52, 0x54, 0, 1, 2, 3}
	hostMAC  = []byte{0x5a, 0x94, 0xef, 0xe4, 0x0c, 1}
)

func frameOf(kind uint16, payload []byte) []byte {
	head := binary.BigEndian.AppendUint16(slices.Concat(guestMAC, hostMAC), kind)
	return append(head, payload...)
}

func TestFramesPassTheTAPDeviceBothWays(t *testing.T) {
	for name, uid := range users() {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, uid, 65520)
			if !strings.Contains(r.report, "user and network namespaces") {
				t.Errorf("the confinement is %q", r.report)
			}
			r.greet()
			for _, size := range []int{46, 1500, 9000, 65520} {
				payload := bytes.Repeat([]byte{byte(size)}, size)
				r.send(frameOf(0x88b6, payload))
				got := r.next()
				want := frameOf(0x88b6, payload)
				swap(want)
				if !bytes.Equal(got, want) {
					t.Errorf("of %d bytes %d came back", len(want), len(got))
				}
			}
		})
	}
}

// greet waits until the VMM is attached: it sends until a frame comes back.
func (r *rig) greet() {
	r.t.Helper()
	stop := make(chan struct{})
	sent := make(chan int)
	go func() {
		count := 0
		for ticks := time.NewTicker(10 * time.Millisecond); ; count++ {
			r.send(frameOf(0x88b6, binary.BigEndian.AppendUint64(make([]byte, 38), uint64(count))))
			select {
			case <-ticks.C:
			case <-stop:
				sent <- count
				return
			}
		}
	}()
	count := func() int { return int(binary.BigEndian.Uint64(r.next()[14+38:])) }
	got := count()
	close(stop)
	for last := <-sent; got < last; {
		got = count()
	}
}

// offloaded is a frame with its virtio_net_hdr_v1, as a guest with all offloads
// sends it: one segment of 60,000 bytes to be cut at 1,448, whose checksum covers the
// pseudo header only.
func offloaded() []byte {
	const size = 60000
	tcp := make([]byte, header.TCPMinimumSize, header.TCPMinimumSize+size)
	for i := range size {
		tcp = append(tcp, byte(i*i>>4))
	}
	src, dst := tcpip.AddrFrom4([4]byte{198, 18, 1, 0}), tcpip.AddrFrom4([4]byte{198, 18, 0, 2})
	header.TCP(tcp).Encode(&header.TCPFields{SrcPort: 1, DstPort: 2, SeqNum: 1000, DataOffset: header.TCPMinimumSize, Flags: header.TCPFlagAck})
	header.TCP(tcp).SetChecksum(header.PseudoHeaderChecksum(header.TCPProtocolNumber, src, dst, uint16(len(tcp))))
	ip := make([]byte, header.IPv4MinimumSize)
	header.IPv4(ip).Encode(&header.IPv4Fields{
		TotalLength: uint16(len(ip) + len(tcp)), TTL: 64, Protocol: uint8(header.TCPProtocolNumber), SrcAddr: src, DstAddr: dst,
	})
	header.IPv4(ip).SetChecksum(^header.IPv4(ip).CalculateChecksum())
	vnet := make([]byte, vnetHeader)
	vnet[0], vnet[1] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM, unix.VIRTIO_NET_HDR_GSO_TCPV4
	binary.LittleEndian.PutUint16(vnet[2:], 14+header.IPv4MinimumSize+header.TCPMinimumSize)
	binary.LittleEndian.PutUint16(vnet[4:], 1448)
	binary.LittleEndian.PutUint16(vnet[6:], 14+header.IPv4MinimumSize)
	binary.LittleEndian.PutUint16(vnet[8:], 16) // of the checksum in a TCP header
	return slices.Concat(vnet, hostMAC, guestMAC, []byte{8, 0}, ip, tcp)
}

// TestTheHostCutsAndSumsWhatTheGuestDoesNot is why there are two devices.
func TestTheHostCutsAndSumsWhatTheGuestDoesNot(t *testing.T) {
	for _, mtu := range []int{1500, 65520} {
		t.Run(strconv.Itoa(mtu), func(t *testing.T) {
			r := newRig(t, uint32(os.Getuid()), mtu)
			r.greet()
			r.send(frameOf(offloadType, make([]byte, 46)))
			whole := offloaded()[vnetHeader+14+header.IPv4MinimumSize+header.TCPMinimumSize:]
			for got, seq := 0, uint32(1000); got < len(whole); {
				frame := r.next()
				ip := header.IPv4(frame[14:])
				if !ip.IsValid(len(frame)-14) || !ip.IsChecksumValid() || len(frame) > 14+mtu {
					t.Fatalf("after %d bytes a bad packet of %d", got, len(frame))
				}
				tcp := header.TCP(ip.Payload())
				sum := checksum.Checksum(tcp.Payload(), 0)
				if !tcp.IsChecksumValid(ip.SourceAddress(), ip.DestinationAddress(), sum, uint16(len(tcp.Payload()))) {
					t.Fatalf("after %d bytes a bad checksum", got)
				}
				if tcp.SequenceNumber() != seq || !bytes.Equal(tcp.Payload(), whole[got:got+len(tcp.Payload())]) {
					t.Fatalf("after %d bytes others", got)
				}
				got += len(tcp.Payload())
				seq += uint32(len(tcp.Payload()))
			}
		})
	}
}

func TestTheVMMEndsWithItsMonitor(t *testing.T) {
	for name, uid := range users() {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, uid, 1500)
			r.greet()
			vmm, err := unix.PidfdOpen(r.vmm, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = unix.Close(vmm) }()
			if err := r.cmd.Process.Signal(syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			ended := []unix.PollFd{{Fd: int32(vmm), Events: unix.POLLIN}}
			n, err := unix.Poll(ended, int(frameLimit.Milliseconds()))
			for errors.Is(err, unix.EINTR) {
				n, err = unix.Poll(ended, int(frameLimit.Milliseconds()))
			}
			if n != 1 || err != nil {
				t.Errorf("the VMM lives on: %v", err)
			}
		})
	}
}
