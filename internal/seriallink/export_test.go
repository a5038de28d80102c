package seriallink

import "github.com/bangervm/banger/internal/pace"

// SetTurns gives the other side of a link its turns to open streams.
func SetTurns(l *Link, turns *pace.Pace) { l.opens = turns }
