package gitrepo

// SetStep calls f before each thing that is done to a work tree.
func (g *Git) SetStep(f func()) { g.step = f }
