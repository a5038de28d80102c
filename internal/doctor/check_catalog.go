package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

func checkKernel(ctx context.Context, w World) verdict {
	all, err := w.Kernels(ctx)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fail("", "%v", err).mend("make %s readable for %s", w.Dirs.Kernels(), w.User)
	}
	var names, problems []string
	var remedy fault.Hint
	for _, m := range all {
		names = append(names, m.Name)
		if m.Problem != nil {
			problems = append(problems, m.Problem.Error())
			remedy = fault.HintOf(m.Problem)
		}
	}
	switch {
	case len(problems) > 0:
		found := fail("", "%s", strings.Join(problems, "; "))
		found.remedy = remedy
		return found
	case len(names) == 0:
		return warn("", "no kernel is local; the first VM pulls one").mend("%s, or %s", act.KernelPull.On("debian-12"), act.KernelImport.On(""))
	}
	return ok("%s", strings.Join(names, ", "))
}

func checkImage(ctx context.Context, w World) verdict {
	local := w.images()
	want := w.Settings.DefaultImage
	switch {
	case want == "" && len(local) == 0:
		return warn("", "no image is local, and no default image is configured").mend("%s", act.ImagePull.On(""))
	case want == "":
		return ok("local: %s; no default image is configured", strings.Join(local, ", "))
	case slices.Contains(local, want):
		return ok("the default image %s is local", want)
	case w.damaged(want):
		return fail("", "the files of the default image %s are missing or changed", want).mend("%s", act.ImageRepair.On(want))
	}
	if ref := catalogued(want); ref != "" {
		return ok("the default image %s is not local; the first VM pulls it (%s)", want, ref)
	}
	registry := registryOf(want)
	err := w.Reach(ctx, registry)
	if registry == dockerHub {
		registry = "docker.io" // the name by which users know it
	}
	if err != nil {
		also := ""
		if len(local) > 0 {
			also = " (local: " + strings.Join(local, ", ") + ")"
		}
		return warn("", "the default image %s is not local, and %s does not answer: %v%s", want, registry, err, also).
			mend("pull it from a registry, a directory or a tar file that you can reach, under the name %s: %s",
				baseName(want), act.ImagePull.On("", act.Name))
	}
	return ok("the default image %s is not local; %s answers, so it can be pulled", want, registry)
}

// catalogued is the reference of the built-in catalog's image called name, or empty.
func catalogued(name string) string {
	doc, err := catalog.Parse(catalog.Builtin())
	if err != nil { // a test reads it
		return ""
	}
	found, _ := catalog.Merge[image.Entry]([]catalog.Catalog{{Document: doc}}, func(d catalog.Document) []json.RawMessage { return d.Images })
	for _, f := range found {
		if f.Entry.Name == name {
			return f.Entry.Ref
		}
	}
	return ""
}

// dockerHub is the host of docker.io that a pull asks.
const dockerHub = "index.docker.io:443"

// registryOf returns HOST:PORT of the registry that serves ref. As elsewhere,
// the part before the first slash is a registry only when it has a dot or a
// colon or is localhost; all else is Docker Hub.
func registryOf(ref string) string {
	first, _, slash := strings.Cut(ref, "/")
	if !slash || !strings.ContainsAny(first, ".:") && first != "localhost" {
		return dockerHub
	}
	if strings.Contains(first, ":") {
		return first
	}
	return first + ":443"
}

func baseName(ref string) string {
	name := filepath.Base(ref)
	name, _, _ = strings.Cut(name, "@")
	name, _, _ = strings.Cut(name, ":")
	return name
}
