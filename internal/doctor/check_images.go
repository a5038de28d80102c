package doctor

import (
	"context"
	"errors"
	"io/fs"
	"slices"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/statedir"
)

// manifests are those of local images, also of damaged ones.
func (w World) manifests() []image.Manifest {
	entries, err := fs.ReadDir(w.Root, rooted(w.Dirs.Images()))
	if err != nil {
		return nil
	}
	reading := func(path string) func() ([]byte, error) {
		return func() ([]byte, error) { return w.readHead(path, image.MaxManifestBytes) }
	}
	var all []image.Manifest
	for _, id := range statedir.ImageIDs(entries) {
		m, err := image.Recovered(id, reading(w.Dirs.Image(id).Manifest()), reading(w.Dirs.ImageCopy(id)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			m = image.Lost(id)
		case err != nil:
			continue
		}
		all = append(all, m)
	}
	return all
}

// problem is what VMs would be told of an image when they start.
func (w World) problem(m image.Manifest) error {
	path := w.Dirs.Image(m.ID).Rootfs()
	if m.External != nil {
		path = m.External.Path
	}
	info, err := w.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.Wrap(fault.NotFound, err, "%s", path)
	}
	if err != nil {
		return m.Problem(path, image.FileState{}, err)
	}
	now := image.FileState{Bytes: info.Size(), ModifiedAt: info.ModTime(), Directory: info.IsDir()}
	if sys, known := info.Sys().(*syscall.Stat_t); known {
		now.Inode = sys.Ino
	}
	if err := m.Problem(path, now, nil); err != nil || !m.OwnKernel {
		return err
	}
	return m.KernelProblem(w.hasKernel(w.Dirs.Image(m.ID).Kernel()))
}

// hasKernel is NotFound unless a kernel's main files are in its directory.
func (w World) hasKernel(k statedir.Kernel) error {
	for _, path := range []string{k.Manifest(), k.Vmlinux()} {
		if _, err := w.stat(path); err != nil {
			return fault.Wrap(fault.NotFound, err, "")
		}
	}
	return nil
}

// images are the names of those that VMs can use.
func (w World) images() []string {
	var names []string
	for _, m := range w.manifests() {
		if w.problem(m) != nil {
			continue
		}
		for _, n := range m.Names {
			names = append(names, n.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// damaged reports whether the image called name is here, but cannot be used.
func (w World) damaged(name string) bool {
	return slices.ContainsFunc(w.manifests(), func(m image.Manifest) bool {
		return w.problem(m) != nil && slices.ContainsFunc(m.Names, func(n image.Name) bool { return n.Name == name })
	})
}

func checkImageFiles(_ context.Context, w World) verdict {
	all := w.manifests()
	var broken, repairable, unknown, newer []string
	var last error
	for _, m := range all {
		err := w.problem(m)
		if err == nil {
			continue
		}
		broken, last = append(broken, err.Error()), err
		switch {
		case m.Newer:
			newer = append(newer, m.ID)
		case m.Unknown():
			unknown = append(unknown, m.ID)
		default:
			repairable = append(repairable, m.Label())
		}
	}
	if len(broken) == 0 {
		return ok("the files of %s are there", fault.Count(len(all), "image"))
	}
	slices.Sort(broken)
	slices.Sort(repairable)
	found := fail("", "%s", strings.Join(broken, "; "))
	switch {
	case len(newer) == len(broken):
		return found.mend("use a banger as new as the one that made %s", newer[0])
	case len(repairable) == 0:
		return found.mend("%s", act.ImageDelete.On(unknown[0]))
	case len(unknown) > 0:
		return found.mend("%s; to remove those of which nothing is known: %s", act.ImageRepair.On(repairable[0]), act.ImageDelete.On(unknown[0]))
	}
	if len(broken) == 1 {
		return found.mend("%s", fault.HintOf(last))
	}
	return found.mend("%s", act.ImageRepair.On(repairable[0]))
}
