package event

import (
	"slices"
	"sort"
	"sync"
	"time"
)

const (
	// maxEvents and maxBytes bound what the journal keeps.
	maxEvents = 4096
	maxBytes  = 8 << 20
	// maxObject bounds the object of one event, in bytes. A larger one is left out:
	// whoever needs it asks for it.
	maxObject = 64 << 10
	// maxReaders bounds those that read at a time.
	maxReaders = 256
)

// Journal keeps the newest events, in the order in which they were published. It is
// in memory: one that a later daemon makes has another epoch. It is safe for
// concurrent use, and Publish waits for nobody.
type Journal struct {
	epoch string
	now   func() time.Time

	mu      sync.Mutex
	events  []*Event            // by Seq
	keys    map[string][]uint64 // the kept events of each key, by Seq
	bytes   int
	last    uint64          // Seq of the newest
	lost    uint64          // Seq of the newest that the bounds pushed out
	thinned map[Kind]uint64 // Seq of the newest fact that made room for others of its key
	changed chan struct{}   // closed, and made again, at every publication
	readers int
}

// New returns an empty journal. The epoch tells it from those of other daemons; it has
// no hyphen. now may be nil.
func New(epoch string, now func() time.Time) *Journal {
	if now == nil {
		now = time.Now
	}
	return &Journal{epoch: epoch, now: now, keys: map[string][]uint64{}, thinned: map[Kind]uint64{}, changed: make(chan struct{})}
}

// Publish numbers an event, keeps it and wakes the readers.
func (j *Journal) Publish(e Event) {
	if len(e.Object) > maxObject {
		e.Object = nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.last++
	e.Seq, e.At = j.last, j.now().UTC()
	j.thin(&e)
	j.events = append(j.events, &e)
	j.bytes += e.size()
	for len(j.events) > maxEvents || j.bytes > maxBytes {
		j.lost = j.events[0].Seq
		j.drop(0)
	}
	close(j.changed)
	j.changed = make(chan struct{})
}

// thin makes room for e among those of its key.
func (j *Journal) thin(e *Event) {
	if e.Key == "" {
		return
	}
	for have := j.keys[e.Key]; len(have) >= max(e.Keep, 1); have = j.keys[e.Key] {
		i := j.after(have[0] - 1)
		if old := j.events[i]; old.Fact {
			j.thinned[old.Kind] = old.Seq
		}
		j.drop(i)
	}
	j.keys[e.Key] = append(j.keys[e.Key], e.Seq)
}

// drop forgets the event at index i.
func (j *Journal) drop(i int) {
	e := j.events[i]
	j.bytes -= e.size()
	if e.Key != "" {
		rest := slices.DeleteFunc(j.keys[e.Key], func(seq uint64) bool { return seq == e.Seq })
		if j.keys[e.Key] = rest; len(rest) == 0 {
			delete(j.keys, e.Key)
		}
	}
	j.events = slices.Delete(j.events, i, i+1)
}

// after is the index of the first event after seq.
func (j *Journal) after(seq uint64) int {
	return sort.Search(len(j.events), func(i int) bool { return j.events[i].Seq > seq })
}
