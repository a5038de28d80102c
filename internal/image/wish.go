package image

import (
	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
)

// wish is an image that is asked for, and the name that it is to have.
type wish struct {
	name    Name
	replace bool   // the name may be another image's
	digest  string // as identity has it; empty: not known before the files are read
	kernel  string
	// arch is what the files are for: a tar does not say it. Empty: any.
	arch string
	// platform says that one was asked for, which a new request must name again.
	platform bool
	// own says that the image is to have its own kernel.
	own bool
	// vm is the VM whose files it is made of, and base the image of that, whose own
	// kernel it is to be; empty: it is pulled.
	vm, base string
	// configFormat is that of base.
	configFormat int
	changes      Changes
	// external says that the files are the user's own.
	external bool
	// tagged is the image that is here and gets the name, as its user named it.
	tagged string
}

// again proposes how the wish can be carried out all the same.
func (w wish) again() fault.Hint {
	const both = "to move the name to the new image: %s; to keep both: %s"
	switch {
	case w.vm != "":
		return fault.Hintf("choose another name, or move the name to the new image: %s", act.VMCommit.On(w.vm, act.Replace).To(w.name.Name))
	case w.tagged != "":
		return fault.Hintf("to move the name: %s", act.ImageTag.On(w.tagged, act.Replace).To(w.name.Name))
	case w.external:
		return fault.Hintf(both, act.ImageRegister.Do(act.Name, act.Replace).To(w.name.Name), act.ImageRegister.Do(act.Name))
	default:
		keep := []act.Option{act.Name}
		if w.platform {
			keep = append(keep, act.Platform)
		}
		return fault.Hintf(both, w.replacing(), act.ImagePull.On(w.name.Ref, keep...))
	}
}

// replacing is how to pull the wish's reference so that it gets the wish's name.
func (w wish) replacing() act.Act {
	options := []act.Option{act.Replace}
	if w.platform {
		options = append(options, act.Platform)
	}
	ref, err := ParseRef(w.name.Ref)
	if err == nil {
		if name, err := ref.DefaultName(); err == nil && name == w.name.Name {
			return act.ImagePull.On(w.name.Ref, options...)
		}
	}
	return act.ImagePull.On(w.name.Ref, append(options, act.Name)...).To(w.name.Name)
}

// is reports whether m has what is wished for but the name.
func (w wish) is(m Manifest) bool {
	return m.identity() == w.digest && w.isFor(m) && m.Kernel == w.kernel && m.OwnKernel == w.own
}

// satisfied reports whether the image that has the name can keep it.
func (w wish) satisfied(m Manifest) bool {
	return m.identity() == w.digest && w.isFor(m) && (w.kernel == "" || w.kernel == m.Kernel && (m.OwnKernel || !w.own))
}

func (w wish) isFor(m Manifest) bool { return w.arch == "" || w.arch == m.Architecture }
