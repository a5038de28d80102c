package image

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/nearest"
)

// named returns images by name, each name as often as images have it in truth:
// once. Images without a name are the last, the newest first.
func named(all []Manifest) []Image {
	var images []Image
	for _, m := range settled(all) {
		for _, n := range m.Names {
			images = append(images, m.by(n))
		}
		if len(m.Names) == 0 {
			images = append(images, Image{Manifest: m, Ref: m.Source})
		}
	}
	slices.SortFunc(images, func(a, b Image) int {
		if (a.Name == "") != (b.Name == "") {
			return cmp.Compare(len(b.Name), len(a.Name))
		}
		return cmp.Or(cmp.Compare(a.Name, b.Name), b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	return images
}

// settled returns the images without the names that others have in truth. A crash
// between two manifests leaves both with a name: the later has it.
func settled(all []Manifest) []Manifest {
	type holder struct {
		id string
		at time.Time
	}
	holders := map[string]holder{}
	for _, m := range all {
		for _, n := range m.Names {
			h, taken := holders[n.Name]
			if later := n.At.Compare(h.at); !taken || later > 0 || later == 0 && m.ID < h.id {
				holders[n.Name] = holder{m.ID, n.At}
			}
		}
	}
	out := slices.Clone(all)
	for i, m := range out {
		out[i].Names = slices.DeleteFunc(slices.Clone(m.Names), func(n Name) bool { return holders[n.Name].id != m.ID })
	}
	return out
}

// find returns the image with the id name, or called name, or pulled last from the reference
// name, or whose id begins with name, in this order.
func find(images []Image, name string) (Image, error) {
	if name == "" {
		return Image{}, fault.New(fault.Invalid, "the image's name is empty").Try(act.ImageList.Do())
	}
	var exact, newest, begins Image
	var ids []string
	for _, i := range images {
		switch {
		case i.ID == name: // before a name of an older build that looks like it
			return i, nil
		case i.Name == name:
			exact = i
		case i.Name != "" && i.Ref == name && i.CreatedAt.After(newest.CreatedAt):
			newest = i
		case strings.HasPrefix(i.ID, name) && !slices.Contains(ids, i.ID):
			begins, ids = i, append(ids, i.ID)
		}
	}
	switch {
	case exact.ID != "":
		return exact, nil
	case newest.ID != "":
		return newest, nil
	case len(ids) == 1:
		return begins, nil
	case len(ids) > 1:
		slices.Sort(ids)
		return Image{}, fault.New(fault.Invalid, "%q is the beginning of %d image IDs: %s", name, len(ids), strings.Join(ids, ", ")).
			WithHint("type more of the ID, or the name")
	}
	return Image{}, notFound(name, images)
}

// notFound is that no image has a name, with the one that was meant, maybe.
func notFound(name string, images []Image) error {
	var all []string
	for _, i := range images {
		all = append(all, i.Name)
	}
	return fault.New(fault.NotFound, "no image named %q", name).WithHint("%s", fault.Meant(nearest.Name(name, all), act.ImageList.Do()))
}

// with returns the image with a name more, or with that name changed.
func (m Manifest) with(n Name) Manifest {
	m.Names = append(m.without(n.Name).Names, n)
	slices.SortFunc(m.Names, func(a, b Name) int { return cmp.Compare(a.Name, b.Name) })
	return m
}

// without returns the image without a name.
func (m Manifest) without(name string) Manifest {
	m.Names = slices.DeleteFunc(slices.Clone(m.Names), func(n Name) bool { return n.Name == name })
	return m
}

// short is the beginning of a digest, enough to tell it from others.
func short(digest string) string {
	const most = len("sha256:") + 12
	return digest[:min(len(digest), most)]
}
