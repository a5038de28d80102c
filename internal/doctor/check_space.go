package doctor

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

const (
	mib = int64(1) << 20
	gib = int64(1) << 30

	// Below these, in bytes, a pull of an ordinary image fills the disk.
	spaceFail = 512 * mib
	spaceWarn = 5 * gib
	// hostReserve is the memory that the host itself should keep.
	hostReserve = 256 * mib
)

func checkStateDisk(_ context.Context, w World) verdict {
	return w.disk(w.Dirs.State, fault.Hintf("%s, %s, or set XDG_STATE_HOME to a larger disk", act.VMDelete.On(""), act.ImageDelete.On("")))
}

func checkCacheDisk(_ context.Context, w World) verdict {
	v := w.disk(w.Dirs.Cache, fault.Hintf("rm -r %s (layers are fetched again when they are needed), or set XDG_CACHE_HOME to a larger disk", w.Dirs.Blobs()))
	if v.status == Fail {
		v.status = Warn
	}
	return v
}

func (w World) disk(dir string, remedy fault.Hint) verdict {
	at := w.existing(dir)
	free, err := w.Space(at)
	switch {
	case err != nil:
		return fail("make "+dir+" a directory that you own", "cannot get the free space of %s: %v", at, err)
	case free < spaceFail:
		return fail("", "%s free for %s, too little for an image or a VM", fault.Bytes(free), dir).mend("%s", remedy)
	case free < spaceWarn:
		return warn("", "%s free for %s", fault.Bytes(free), dir).mend("%s", remedy)
	default:
		return ok("%s free for %s", fault.Bytes(free), dir)
	}
}

func checkMemory(_ context.Context, w World) verdict {
	available, err := w.memAvailable()
	if err != nil {
		return warn("mount /proc", "cannot get the memory of the host: %v", err)
	}
	remedy := fault.Hintf("%s, close programs, or create VMs with less memory: %s", act.VMStop.On(""), act.VMCreate.Do(act.Memory))
	switch {
	case available < hostReserve:
		return fail("", "%s of memory is available, too little for any VM", fault.Bytes(available)).mend("%s", remedy)
	case available < w.Settings.MemoryBytes+hostReserve:
		return warn("", "%s of memory is available; a VM gets %s by default", fault.Bytes(available), fault.Bytes(w.Settings.MemoryBytes)).
			mend("%s", remedy)
	default:
		return ok("%s of memory is available", fault.Bytes(available))
	}
}

func (w World) memAvailable() (int64, error) {
	f, err := w.Root.Open("proc/meminfo")
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		rest, found := strings.CutPrefix(lines.Text(), "MemAvailable:")
		if !found {
			continue
		}
		kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
		if err != nil {
			return 0, fmt.Errorf("parse MemAvailable: %w", err)
		}
		return kib << 10, nil
	}
	return 0, fmt.Errorf("/proc/meminfo has no MemAvailable: %w", lines.Err())
}
