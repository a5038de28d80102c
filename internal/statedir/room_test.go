package statedir

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestRoomLeavesSomeToVMs(t *testing.T) {
	const gib = 1 << 30
	for _, test := range []struct {
		name        string
		free, total int64
		refused     bool
	}{
		{"plenty", 50 * gib, 100 * gib, false},
		{"less than a twentieth of a big disk, but more than a GiB", 2 * gib, 100 * gib, false},
		{"less than a GiB of a big disk", gib - 1, 100 * gib, true},
		{"more than a twentieth of a small disk", 110 << 20, 2 * gib, false},
		{"less than a twentieth of a small disk", 90 << 20, 2 * gib, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			looks := 0
			r := &Room{dir: "/x", stat: func(string) (int64, int64, error) {
				looks++
				return test.free, test.total, nil
			}}
			var err error
			for range 40 {
				err = errors.Join(err, r.Take(1<<20))
			}
			if looks != 2 {
				t.Errorf("40 MiB took %d looks, want 2", looks)
			}
			if got := errors.Is(err, fault.Unavailable) && strings.Contains(err.Error(), "/x"); got != test.refused || err != nil && !got {
				t.Errorf("error %v, want one: %v", err, test.refused)
			}
		})
	}
}

func TestRoomOfThisFilesystem(t *testing.T) {
	free, total, err := freeSpace(t.TempDir())
	if err != nil || free < 0 || total < free {
		t.Errorf("%d of %d bytes are free, %v", free, total, err)
	}
	if err := NewRoom("/nowhere/at/all").Take(roomStep); err == nil {
		t.Error("the free space of a directory that is not there was told")
	}
}
