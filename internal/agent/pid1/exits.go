package pid1

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// exits is the kernel's record of the processes that have ended (process
// accounting, acct(5), format 3). busybox's reboot sends PID 1 a SIGTERM and is
// gone before anybody can look at who sent it: the record remains.
type exits struct {
	file *os.File
}

const (
	exitsPath = "/run/.banger-exits"
	// exitsLimit is the size, in bytes, at which the record is begun again.
	exitsLimit = 1 << 20

	acctSize    = 64 // of struct acct_v3
	acctVersion = 3
	acctHZ      = 100 // of ac_etime, a float
	offVersion  = 1
	offBegin    = 24
	offElapsed  = 28
	offCommand  = 48
)

// recordExits begins the record. Without it (a kernel that keeps none) a reboot
// may be taken for a poweroff.
func recordExits() (*exits, error) {
	file, err := os.OpenFile(exitsPath, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	e := &exits{file: file}
	if err := unix.Acct(exitsPath); err != nil {
		e.stop()
		return nil, err
	}
	return e, nil
}

// stop ends the record.
func (e *exits) stop() {
	if e == nil {
		return
	}
	_, _, _ = unix.Syscall(unix.SYS_ACCT, 0, 0, 0) // no path: unix.Acct cannot say that
	_ = e.file.Close()
	_ = os.Remove(exitsPath)
}

// bound keeps the record small. It loses what has ended up to now.
func (e *exits) bound() {
	if e == nil {
		return
	}
	if info, err := e.file.Stat(); err == nil && info.Size() > exitsLimit {
		_ = e.file.Truncate(0)
	}
}

// has reports whether a process of this name has ended since the given time.
func (e *exits) has(name string, since time.Time) bool {
	if e == nil {
		return false
	}
	data, err := io.ReadAll(io.NewSectionReader(e.file, 0, 2*exitsLimit))
	return err == nil && recorded(data, name, since)
}

// recorded looks through records as the kernel writes them.
func recorded(data []byte, name string, since time.Time) bool {
	for len(data) >= acctSize {
		record := data[:acctSize]
		data = data[acctSize:]
		if record[offVersion]&0x0f != acctVersion {
			continue
		}
		command, _, _ := bytes.Cut(record[offCommand:], []byte{0})
		began := time.Unix(int64(binary.NativeEndian.Uint32(record[offBegin:])), 0)
		ticks := math.Float32frombits(binary.NativeEndian.Uint32(record[offElapsed:]))
		ended := began.Add(time.Duration(float64(ticks) / acctHZ * float64(time.Second)))
		if string(command) == name && !ended.Before(since) {
			return true
		}
	}
	return false
}
