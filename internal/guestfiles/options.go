package guestfiles

// Options are how files are copied.
type Options struct {
	// Progress, which may be nil, is told how far it is.
	Progress Progress
	// Left, which may be nil, is told of each file that is left out or changed,
	// and why.
	Left func(path, why string)
	// SetID keeps set-user-ID, set-group-ID and sticky bits.
	SetID bool
	// Resume skips files that are there with the same size and time, and goes on
	// with the file in which a copy with Resume was interrupted.
	Resume bool
}
