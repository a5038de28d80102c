package ext4

import (
	"context"
)

const (
	journalMagic = 0xC03B3998

	journalDescriptor = 1
	journalCommit     = 2
	journalRevoke     = 5

	journalIncompat64Bit = 0x2
	journalIncompatCsum2 = 0x8
	journalIncompatCsum3 = 0x10
	journalKnown         = 0x1 | journalIncompat64Bit | 0x4 | journalIncompatCsum2 | journalIncompatCsum3

	tagEscaped  = 0x1
	tagSameUUID = 0x2
	tagLast     = 0x8

	// maxJournal bounds a journal, in blocks. mkfs makes at most 1 GiB.
	maxJournal = 1 << 18
	// maxRevoked bounds what a journal takes back, in blocks.
	maxRevoked = 1 << 20
)

// copied is where the journal has a block. The first four bytes of an escaped one are
// the journal's magic.
type copied struct {
	at      int64
	escaped bool
}

// journal is the log of a filesystem whose changes were not all carried out.
type journal struct {
	fs       *FS
	blocks   []uint64 // where each block of the journal is
	first    uint64
	sequence uint32
	start    uint64
	incompat uint32
}

// replay finds what complete transactions have changed.
func (fs *FS) replay(ctx context.Context) error {
	j, err := fs.journal(ctx)
	if err != nil || j.start == 0 {
		return err
	}
	changed, revoked := map[uint64]logged{}, map[uint64]uint32{}
	for at, sequence, looked := j.start, j.sequence, 0; looked < len(j.blocks); sequence++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, err := j.transaction(at, sequence)
		if err != nil {
			return err
		}
		if !t.complete {
			break
		}
		for block, c := range t.changed {
			changed[block] = logged{copied: c, sequence: sequence}
		}
		for _, block := range t.revoked {
			revoked[block] = sequence
		}
		if len(revoked) > maxRevoked {
			return damaged("its journal revokes more than %d blocks", maxRevoked)
		}
		at, looked = t.next, looked+t.looked
	}
	fs.replayed = map[uint64]copied{}
	for block, c := range changed {
		if last, ok := revoked[block]; ok && int32(c.sequence-last) <= 0 {
			continue
		}
		fs.replayed[block] = c.copied
	}
	// The superblock may have grown: a disk that was made larger.
	return fs.superblockAgain()
}

type logged struct {
	copied
	sequence uint32
}

func (fs *FS) superblockAgain() error {
	block, at := uint64(superblockAt/fs.blockSize), superblockAt%fs.blockSize
	if _, newer := fs.replayed[block]; !newer {
		return nil
	}
	raw := make([]byte, superblockSize)
	if err := fs.readIn(block, at, raw); err != nil {
		return err
	}
	size := fs.blockSize
	if err := fs.superblock(raw); err != nil {
		return err
	}
	if fs.blockSize != size {
		return damaged("its journal changes the block size")
	}
	return nil
}

// journal reads the journal's superblock.
func (fs *FS) journal(ctx context.Context) (*journal, error) {
	n, err := fs.Inode(journalInode)
	if err != nil {
		return nil, err
	}
	found, err := fs.extents(ctx, n)
	if err != nil {
		return nil, err
	}
	j := &journal{fs: fs}
	for _, e := range found {
		if e.first != uint64(len(j.blocks)) || e.first+e.count > maxJournal {
			return nil, damaged("its journal has holes, or more than %d blocks", maxJournal)
		}
		for i := range e.count {
			j.blocks = append(j.blocks, e.at+i)
		}
	}
	if len(j.blocks) == 0 {
		return nil, damaged("its journal is empty")
	}
	b := make([]byte, fs.blockSize)
	if err := fs.block(j.blocks[0], b); err != nil {
		return nil, err
	}
	most := uint64(be32(b[16:]))
	if be32(b) != journalMagic || int64(be32(b[12:])) != fs.blockSize || most > uint64(len(j.blocks)) {
		return nil, damaged("its journal")
	}
	j.blocks = j.blocks[:most]
	j.first, j.sequence, j.start = uint64(be32(b[20:])), be32(b[24:]), uint64(be32(b[28:]))
	if be32(b[4:]) == 4 {
		j.incompat = be32(b[40:])
	}
	switch {
	case j.incompat&^journalKnown != 0:
		return nil, unsupported("its journal has the features %#x", j.incompat&^journalKnown)
	case j.first == 0 || j.first >= most || j.start >= most:
		return nil, damaged("its journal")
	}
	return j, nil
}

func (j *journal) after(at uint64) uint64 {
	if at++; at >= uint64(len(j.blocks)) {
		return j.first
	}
	return at
}
