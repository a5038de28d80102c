package session

// firstRing is the size that a ring begins with, in bytes.
const firstRing = 16 << 10

// ring keeps the newest bytes of a stream. Offsets count from the stream's
// beginning.
type ring struct {
	limit int
	buf   []byte // the byte at offset o is at buf[o%len(buf)]
	start int64  // of the oldest byte kept
	end   int64
}

// startAfter is where the ring would start after an append of n bytes.
func (r *ring) startAfter(n int) int64 { return max(r.start, r.end+int64(n)-int64(r.limit)) }

// append keeps p, which is no longer than limit, and drops the oldest bytes
// beyond limit.
func (r *ring) append(p []byte) {
	if kept := int(r.end - r.start); kept+len(p) > len(r.buf) && len(r.buf) < r.limit {
		r.grow(min(r.limit, max(2*len(r.buf), kept+len(p), firstRing)))
	}
	r.start = r.startAfter(len(p))
	for len(p) > 0 {
		n := copy(r.buf[r.end%int64(len(r.buf)):], p)
		r.end += int64(n)
		p = p[n:]
	}
}

func (r *ring) grow(size int) {
	old := *r
	r.buf = make([]byte, size)
	for at := old.start; at < old.end; {
		n := copy(r.buf[at%int64(size):], old.at(at))
		at += int64(n)
	}
}

// at returns the bytes from offset on that lie in one piece.
func (r *ring) at(offset int64) []byte {
	if offset >= r.end {
		return nil
	}
	i := int(offset % int64(len(r.buf)))
	return r.buf[i:min(len(r.buf), i+int(r.end-offset))]
}

// read copies what is at offset, which is kept, and returns how much.
func (r *ring) read(offset int64, p []byte) int {
	n := 0
	for n < len(p) {
		c := copy(p[n:], r.at(offset+int64(n)))
		if c == 0 {
			break
		}
		n += c
	}
	return n
}

// drop forgets all that is kept.
func (r *ring) drop() { r.buf, r.start = nil, r.end }
