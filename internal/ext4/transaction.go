package ext4

// transaction is what one transaction of the journal changes.
type transaction struct {
	changed  map[uint64]copied
	revoked  []uint64
	complete bool
	next     uint64
	looked   int // blocks
}

// transaction reads the transaction that begins at at. One without its commit is not
// complete, and ends the journal.
func (j *journal) transaction(at uint64, sequence uint32) (transaction, error) {
	t := transaction{changed: map[uint64]copied{}, next: at}
	b := make([]byte, j.fs.blockSize)
	for t.looked < len(j.blocks) {
		if err := j.fs.block(j.blocks[t.next], b); err != nil {
			return t, err
		}
		if be32(b) != journalMagic || be32(b[8:]) != sequence {
			return t, nil
		}
		t.next, t.looked = j.after(t.next), t.looked+1
		switch be32(b[4:]) {
		case journalDescriptor:
			j.tags(b, &t)
		case journalRevoke:
			j.revokes(b, &t)
		case journalCommit:
			t.complete = true
			return t, nil
		default:
			return t, nil
		}
	}
	return t, nil
}

// tags reads a descriptor: a tag for each block that follows it.
func (j *journal) tags(b []byte, t *transaction) {
	end := len(b)
	if j.incompat&(journalIncompatCsum2|journalIncompatCsum3) != 0 {
		end -= 4
	}
	size := j.tagSize()
	for at := 12; at+size <= end && t.looked < len(j.blocks); {
		block, flags := j.tag(b[at:])
		t.changed[block] = copied{at: int64(j.blocks[t.next]) * j.fs.blockSize, escaped: flags&tagEscaped != 0}
		t.next, t.looked = j.after(t.next), t.looked+1
		at += size
		if flags&tagSameUUID == 0 {
			at += 16
		}
		if flags&tagLast != 0 {
			return
		}
	}
}

func (j *journal) tagSize() int {
	if j.incompat&journalIncompatCsum3 != 0 {
		return 16
	}
	size := 8
	if j.incompat&journalIncompatCsum2 != 0 {
		size += 2
	}
	if j.incompat&journalIncompat64Bit != 0 {
		size += 4
	}
	return size
}

func (j *journal) tag(b []byte) (block uint64, flags uint32) {
	block = uint64(be32(b))
	if j.incompat&journalIncompatCsum3 != 0 {
		flags = be32(b[4:])
	} else {
		flags = uint32(be16(b[6:]))
	}
	if j.incompat&journalIncompat64Bit != 0 {
		block |= uint64(be32(b[8:])) << 32
	}
	return block, flags
}

// revokes reads the blocks whose earlier changes do not count.
func (j *journal) revokes(b []byte, t *transaction) {
	size := 4
	if j.incompat&journalIncompat64Bit != 0 {
		size = 8
	}
	end := min(int(be32(b[12:])), len(b))
	for at := 16; at+size <= end && len(t.revoked) <= maxRevoked; at += size {
		if size == 8 {
			t.revoked = append(t.revoked, be64(b[at:]))
		} else {
			t.revoked = append(t.revoked, uint64(be32(b[at:])))
		}
	}
}
