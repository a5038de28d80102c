package process_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/confine"
	"github.com/bangervm/banger/internal/tap"
	"github.com/bangervm/banger/internal/vmm/process"
)

// BenchmarkFrames is one frame to a VMM and back, with some in flight, by a TAP device
// and, as the yardstick, by the stream that QEMU has.
func BenchmarkFrames(b *testing.B) {
	for _, size := range []int{1500, 65520} {
		b.Run("tap/"+strconv.Itoa(size), func(b *testing.B) {
			self, err := os.Executable()
			if err != nil {
				b.Fatal(err)
			}
			p, err := process.Start(vmmCommand(self, 65520))
			if err != nil {
				b.Skip(err)
			}
			defer func() {
				_ = p.Signal(syscall.SIGKILL)
				<-p.Exited
			}()
			roundTrips(b, p.NIC(), size)
		})
		b.Run("stream/"+strconv.Itoa(size), func(b *testing.B) {
			fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
			if err != nil {
				b.Fatal(err)
			}
			ours, theirs := fileConn(b, fds[0]), fileConn(b, fds[1])
			defer func() { _, _ = ours.Close(), theirs.Close() }()
			go func() { _, _ = io.Copy(struct{ io.Writer }{theirs}, struct{ io.Reader }{theirs}) }()
			roundTrips(b, ours, size)
		})
	}
}

func vmmCommand(self string, mtu int) process.Command {
	return process.Command{
		Name: "VMM", Program: self, Args: []string{"vmm"}, Dir: "/", Confine: []string{self, "confine"},
		Plan: confine.Plan{
			Read: append(confine.SystemFiles(), self), Devices: []string{"/dev/null", tap.ControlDevice, "/proc"},
			Processes: 1000, TAP: &tap.Device{Name: "tap0", MTU: mtu},
		},
	}
}

func fileConn(b *testing.B, fd int) net.Conn {
	b.Helper()
	f := os.NewFile(uintptr(fd), "end")
	conn, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		b.Fatal(err)
	}
	return conn
}

// inFlight is how many frames are under way: fewer than a queue or a socket has room for.
const inFlight = 2

func roundTrips(b *testing.B, conn net.Conn, size int) {
	b.Helper()
	frame := binary.BigEndian.AppendUint32(nil, uint32(14+size))
	frame = append(frame, frameOf(0x88b6, make([]byte, size))...)
	r := bufio.NewReaderSize(conn, 128<<10)
	read := func() {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			b.Fatal(err)
		}
		if _, err := r.Discard(int(binary.BigEndian.Uint32(head[:]))); err != nil {
			b.Fatal(err)
		}
	}
	write := func() {
		if _, err := conn.Write(frame); err != nil {
			b.Fatal(err)
		}
	}
	warmUp(write, read)
	b.SetBytes(int64(size))
	for range inFlight {
		write()
	}
	for b.Loop() {
		read()
		write()
	}
}

// warmUp waits until the VMM is attached.
func warmUp(write, read func()) {
	back := make(chan struct{})
	go func() {
		read()
		close(back)
	}()
	for ticks := time.NewTicker(10 * time.Millisecond); ; {
		write()
		select {
		case <-back:
			return
		case <-ticks.C:
		}
	}
}
