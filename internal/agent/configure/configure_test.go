package configure

import (
	"encoding/binary"
	"testing"
)

func super(blocks uint64, logBlock uint32, incompat uint32) []byte {
	b := make([]byte, superSize)
	binary.LittleEndian.PutUint16(b[superMagic:], ext4Magic)
	binary.LittleEndian.PutUint32(b[superBlocksLo:], uint32(blocks))
	binary.LittleEndian.PutUint32(b[superBlocksHi:], uint32(blocks>>32))
	binary.LittleEndian.PutUint32(b[superLogBlock:], logBlock)
	binary.LittleEndian.PutUint32(b[superPerGroup:], 32768)
	binary.LittleEndian.PutUint32(b[superIncompat:], incompat)
	return b
}

func TestWantedBlocks(t *testing.T) {
	const gib = 1 << 30
	for name, tc := range map[string]struct {
		super  []byte
		size   int64
		blocks uint64
		larger bool
	}{
		"as large as its disk": {super(gib/4096, 2, 0), gib, gib / 4096, false},
		"a larger disk":        {super(gib/4096, 2, 0), 8 * gib, 8 * gib / 4096, true},
		"1 KiB blocks":         {super(gib/1024, 0, 0), 2 * gib, 2 * gib / 1024, true},
		"a useless rest":       {super(gib/4096, 2, 0), gib + 1<<20, gib/4096 + 256, false},
		"a smaller disk":       {super(gib/4096, 2, 0), gib / 2, gib / 8192, false},
		"beyond 32 bits":       {super(1<<33, 2, incompat64Bit), 1 << 45, 1 << 33, false},
	} {
		t.Run(name, func(t *testing.T) {
			blocks, larger, err := wanted(tc.super, tc.size)
			if err != nil || blocks != tc.blocks || larger != tc.larger {
				t.Errorf("wanted = %d, %v, %v", blocks, larger, err)
			}
		})
	}
	if _, _, err := wanted(make([]byte, superSize), gib); err == nil {
		t.Error("a disk without ext4 was taken")
	}
}

func FuzzWantedBlocks(f *testing.F) {
	f.Add(super(1000, 2, 0), int64(1<<30))
	f.Fuzz(func(t *testing.T, data []byte, size int64) {
		b := make([]byte, superSize)
		copy(b, data)
		if blocks, larger, err := wanted(b, size&(1<<50-1)); err == nil && larger && blocks == 0 {
			t.Error("grows to nothing")
		}
	})
}

func TestHosts(t *testing.T) {
	const local = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
	for name, tc := range map[string]struct{ have, want string }{
		"empty":      {"", local + "127.0.1.1\tdev\n"},
		"no newline": {"127.0.0.1 localhost", "127.0.0.1 localhost\n127.0.1.1\tdev\n"},
		"complete":   {"127.0.0.1 localhost dev\n", "127.0.0.1 localhost dev\n"},
		"a comment":  {"127.0.0.1 localhost # dev\n", "127.0.0.1 localhost # dev\n127.0.1.1\tdev\n"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(hosts([]byte(tc.have), "dev")); got != tc.want {
				t.Errorf("hosts = %q, want %q", got, tc.want)
			}
		})
	}
}
