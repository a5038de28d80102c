package event

import (
	"slices"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// Why a reader begins anew: it has no position, its position is of another daemon's
// journal, or the journal no longer has what comes after it.
const (
	ResetStart  = "start"
	ResetDaemon = "another daemon"
	ResetBehind = "fell behind"
)

const (
	// batchEvents and batchBytes bound what Take returns.
	batchEvents = 256
	batchBytes  = 1 << 20
)

// Reader reads a journal from a position on. It holds nothing of what it has not
// taken, so one that is slow costs nobody anything. It is not safe for concurrent use.
type Reader struct {
	journal *Journal
	kinds   []Kind
	at      uint64 // Seq of the last event that was seen, or passed over
	begun   uint64 // the journal's last when a reader of all that is kept began
	reset   string
}

// Batch is what a Reader takes at a time.
type Batch struct {
	// Reset, if set, says why the reader must forget what it knows. The present state
	// of everything is to be read once the batch was taken; what changes from now on,
	// and maybe a change that is in that state, comes in later batches. Events is empty.
	Reset  string
	Events []Event
	// More is closed when there is more to take, and nil when there is now.
	More <-chan struct{}
}

// Read begins to read after the position since: the ID of an event. Empty is from now
// on, with a reset first; "0" from the oldest event that is kept; a number alone is of
// this journal. Kinds are those that are wanted. The fault is Invalid, or Busy when
// there are too many readers. The caller closes the Reader.
func (j *Journal) Read(since string, kinds []Kind) (*Reader, error) {
	r := &Reader{journal: j, kinds: kinds}
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := r.seek(since); err != nil {
		return nil, err
	}
	if j.readers >= maxReaders {
		return nil, fault.New(fault.Busy, "%d event streams are already open", maxReaders).WithHint("close one")
	}
	j.readers++
	return r, nil
}

// seek sets the position. The caller holds the journal's mu.
func (r *Reader) seek(since string) error {
	epoch, text, found := strings.Cut(since, "-")
	if !found {
		epoch, text = r.journal.epoch, since
	}
	if since == "" {
		r.reset = ResetStart
		return nil
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	switch {
	case err != nil || epoch == "":
		return fault.New(fault.Invalid, "%q is not the ID of an event", plain.Value(since)).
			WithHint("use the ID of the last event you have, or 0 for all that are kept")
	case epoch != r.journal.epoch || seq > r.journal.last:
		r.reset = ResetDaemon
	case since == "0":
		r.at, r.begun = r.journal.lost, r.journal.last
	default:
		r.at = seq
	}
	return nil
}

// Take returns what there is to read, without waiting.
func (r *Reader) Take() Batch {
	j := r.journal
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.reset == "" && (r.at < j.lost || r.missed()) {
		r.reset = ResetBehind
	}
	if r.reset != "" {
		reset := r.reset
		r.reset, r.at = "", j.last
		return Batch{Reset: reset}
	}
	var b Batch
	bytes := 0
	for _, e := range j.events[j.after(r.at):] {
		if len(b.Events) >= batchEvents || bytes >= batchBytes {
			return b
		}
		r.at = e.Seq
		if slices.Contains(r.kinds, e.Kind) {
			b.Events = append(b.Events, *e)
			bytes += e.size()
		}
	}
	r.at = j.last
	b.More = j.changed
	return b
}

// missed reports whether a fact that the reader has not had made room for others. The caller
// holds the journal's mu.
func (r *Reader) missed() bool {
	return slices.ContainsFunc(r.kinds, func(k Kind) bool { return r.journal.thinned[k] > max(r.at, r.begun) })
}

// Position is the ID after which to read on from what was taken.
func (r *Reader) Position() string { return r.journal.ID(r.at) }

// ID names an event that was taken.
func (r *Reader) ID(e Event) string { return r.journal.ID(e.Seq) }

// Close lets another reader in.
func (r *Reader) Close() {
	r.journal.mu.Lock()
	defer r.journal.mu.Unlock()
	r.journal.readers--
}

// ID names an event of this journal to readers: EPOCH-SEQ.
func (j *Journal) ID(seq uint64) string { return j.epoch + "-" + strconv.FormatUint(seq, 10) }
