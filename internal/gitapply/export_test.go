package gitapply

// SetStep calls f before each thing that is done to a work tree.
func (a *Applier) SetStep(f func()) { a.step = f }
