package netstack

import (
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// The log is bounded on disk, and a guest must not be able to push out of it what
// it did before. Records to destinations that are new have an allowance of their
// own, so that a guest that hammers one does not hide another; and what was let
// out has a budget of its own, as denials cost a guest nothing. At these rates a
// flood needs hours to fill the log.
const (
	maxFresh   = 1000
	maxAgain   = 500
	allowEvery = 2 * time.Second
	// maxMet bounds the destinations that are remembered, metFor the time: what is
	// old news may be told as if new.
	maxMet = 4096
	metFor = time.Hour
)

// allowance is how much of something may be done: most at once, and one more for
// each time of every. It is used under its owner's lock.
type allowance struct {
	most   int
	every  time.Duration
	left   int
	earned time.Time // when one was last added
}

func newAllowance(most int, every time.Duration, now time.Time) allowance {
	return allowance{most: most, every: every, left: most, earned: now}
}

// any reports whether there is something left at a time.
func (a *allowance) any(now time.Time) bool {
	if n := now.Sub(a.earned) / a.every; n > 0 {
		a.left = min(a.most, a.left+int(min(n, time.Duration(a.most))))
		a.earned = a.earned.Add(n * a.every)
	}
	return a.left > 0
}

// take reports whether there was something left, and takes it.
func (a *allowance) take(now time.Time) bool {
	if !a.any(now) {
		return false
	}
	a.left--
	return true
}

// budget decides which records of one kind are written. It is used under its owner's lock.
type budget struct {
	fresh, again allowance
	met          map[monitorrpc.Record]bool
	since        time.Time // of the first in met
}

func newBudget(now time.Time) budget {
	return budget{
		fresh: newAllowance(maxFresh, allowEvery, now), again: newAllowance(maxAgain, allowEvery, now),
		met: map[monitorrpc.Record]bool{}, since: now,
	}
}

// affords reports whether a record is to be written.
func (b *budget) affords(record monitorrpc.Record, now time.Time) bool {
	if len(b.met) >= maxMet || now.Sub(b.since) > metFor {
		clear(b.met)
		b.since = now
	}
	destination := monitorrpc.Record{
		Event: record.Event, Protocol: record.Protocol, Name: record.Name, Address: record.Address, Port: record.Port, Rule: record.Rule,
	}
	if b.met[destination] {
		return b.again.take(now)
	}
	if !b.fresh.take(now) {
		return false
	}
	b.met[destination] = true
	return true
}
