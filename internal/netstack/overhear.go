package netstack

import (
	"io"

	"github.com/bangervm/banger/internal/netstack/sniff"
)

const (
	// maxOverheard and maxOverhears bound what is looked at of a connection whose
	// destination no rule asks for, in bytes and in pieces: for the log only.
	maxOverheard = 16 << 10
	maxOverhears = 32
)

// overhear reads a guest's connection and notes, for the log, which hosts it names.
type overhear struct {
	io.Reader
	f      *flow
	prefix []byte
	looks  int
	over   bool
}

func (o *overhear) Read(p []byte) (int, error) {
	read, err := o.Reader.Read(p)
	if !o.over {
		o.look(p[:read])
	}
	return read, err
}

func (o *overhear) look(more []byte) {
	if o.looks == 0 && len(more) == 0 {
		return
	}
	o.looks++
	o.prefix = append(o.prefix, more[:min(len(more), maxOverheard-len(o.prefix))]...)
	said, unclear := sniff.First(o.prefix, o.f.wasGreeted())
	if !unclear {
		o.f.heard.Store(&said.Hosts)
	}
	if !unclear || len(o.prefix) == maxOverheard || o.looks == maxOverhears {
		o.over, o.prefix = true, nil
	}
}
