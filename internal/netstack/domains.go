package netstack

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"slices"

	"golang.org/x/net/publicsuffix"

	"github.com/bangervm/banger/internal/monitorrpc"
)

const (
	// maxDomains and maxSeen bound what is remembered of the names that were asked
	// for: beyond, what is old counts as new.
	maxDomains = 4096
	maxSeen    = 16 << 10
	// tellBytes is how much names below a domain must say before it is told again.
	tellBytes = 1 << 10
)

// domains counts what leaves in the names that a guest asks for: anything can, to
// whoever answers for a domain. It is used under its owner's lock.
type domains struct {
	seed  maphash.Seed
	known map[string]*domain
	seen  map[uint64]struct{}
}

// domain is one that somebody registered, with what was asked below it since it was
// told last.
type domain struct {
	names int
	bytes int64
}

func newDomains() domains {
	return domains{seed: maphash.MakeSeed(), known: map[string]*domain{}, seen: map[uint64]struct{}{}}
}

// ask counts a name, and says of which domain it is, and whether that is new.
func (d *domains) ask(name string) (of string, fresh bool) {
	of, err := publicsuffix.EffectiveTLDPlusOne(name)
	if err != nil {
		of = name // a public suffix itself
	}
	known := d.known[of]
	if fresh = known == nil; fresh {
		if len(d.known) >= maxDomains {
			clear(d.known)
		}
		known = &domain{}
		d.known[of] = known
	}
	hash := maphash.String(d.seed, name)
	if _, again := d.seen[hash]; again {
		return of, fresh
	}
	if len(d.seen) >= maxSeen {
		clear(d.seen)
	}
	d.seen[hash] = struct{}{}
	if below := len(name) - len(of); below > 0 {
		known.names++
		known.bytes += int64(below)
	}
	return of, fresh
}

// much says whether there is something to tell again.
func (d *domains) much(of string) bool { return d.known[of] != nil && d.known[of].bytes >= tellBytes }

// tell gives the records of the domains below which the most was asked, and counts
// again for all.
func (d *domains) tell() (out []monitorrpc.Record) {
	var much []string
	for of := range d.known {
		if d.much(of) {
			much = append(much, of)
		}
	}
	slices.SortFunc(much, func(a, b string) int {
		return cmp.Or(cmp.Compare(d.known[b].bytes, d.known[a].bytes), cmp.Compare(a, b))
	})
	for _, of := range much[:min(len(much), maxTop)] {
		known := d.known[of]
		out = append(out, monitorrpc.Record{
			Event: monitorrpc.EventAsk, Protocol: "dns", Name: of, Sent: known.bytes,
			Reason: fmt.Sprintf("%d names below it, of %d bytes", known.names, known.bytes),
		})
	}
	for _, of := range much {
		*d.known[of] = domain{}
	}
	return out
}
