package netstack

import (
	"time"

	"github.com/bangervm/banger/internal/monitorrpc"
)

// The log is bounded on disk, and a guest must not be able to push out of it what
// it did before, nor hide in what it floods it with. So each class of records has a
// budget of its own: by protocol, by what happened, and by whether data flowed both
// ways; in each of them records to destinations that are new have an allowance of
// their own. What costs a guest nothing (datagrams that nobody answers) gets less.
// At these rates a flood needs hours to fill the log.
const (
	maxFresh   = 1000
	maxAgain   = 500
	allowEvery = 4 * time.Second
	// cheapShare is what part of that is for what costs nothing.
	cheapShare = 5
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

// class is what a record is of, as far as budgets go.
type class struct {
	event    string
	protocol string
	flowed   bool // data went both ways
}

// cheap says whether it costs a guest nothing to have such records written.
func (c class) cheap() bool {
	return !c.flowed && (c.protocol == "udp" || c.protocol == "icmp")
}

// budgets decide which records are written. They are used under their owner's lock.
type budgets map[class]*budget

// affords reports whether a record is to be written.
func (all budgets) affords(record monitorrpc.Record, flowed bool, now time.Time) bool {
	c := class{event: record.Event, protocol: record.Protocol, flowed: flowed}
	b := all[c]
	if b == nil {
		share := 1
		if c.cheap() {
			share = cheapShare
		}
		b = newBudget(share, now)
		all[c] = b
	}
	return b.affords(record, now)
}

// budget is that of one class.
type budget struct {
	fresh, again allowance
	met          map[monitorrpc.Record]bool
	since        time.Time // of the first in met
}

func newBudget(share int, now time.Time) *budget {
	every := allowEvery * time.Duration(share)
	return &budget{
		fresh: newAllowance(maxFresh/share, every, now), again: newAllowance(maxAgain/share, every, now),
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
