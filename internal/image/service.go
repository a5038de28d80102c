package image

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
)

// Service is the catalog of images. It is safe for concurrent use.
type Service struct {
	store   Store
	source  Source
	write   WriteRootfs
	users   Users
	kernels Kernels
	now     func() time.Time
	log     *slog.Logger

	mu sync.Mutex // held while names change hands, and images are deleted
}

// NewService returns a Service. All arguments are required; users may be set
// later, with UseUsers, before the first call of any other method.
func NewService(store Store, source Source, write WriteRootfs, users Users, now func() time.Time, log *slog.Logger) *Service {
	return &Service{store: store, source: source, write: write, users: users, now: now, log: log}
}

// UseUsers says who knows which VMs use an image.
func (s *Service) UseUsers(users Users) { s.users = users }

// UseKernels says where images get kernels of their own, before the first call of
// any other method.
func (s *Service) UseKernels(kernels Kernels) { s.kernels = kernels }

// PullRequest asks for an image.
type PullRequest struct {
	Ref    string
	Name   string // empty: derived from Ref
	Kernel string // default kernel of its VMs; empty: the default one
	// KernelRef is a local kernel, which the image gets for its own. It excludes
	// Kernel.
	KernelRef string
	Input     io.Reader // the bytes of tar:-
}

// List returns all images by name, the nameless last, each name held by its
// newest image.
func (s *Service) List(ctx context.Context) ([]Manifest, error) {
	all, err := s.store.List(ctx)
	if err != nil {
		return nil, err
	}
	// A crash between a pull's commit and the old image's loss of its name
	// leaves both with it: the newest wins.
	slices.SortFunc(all, func(a, b Manifest) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.ID, b.ID))
	})
	taken := make(map[string]bool, len(all))
	for i := range all {
		if taken[all[i].Name] {
			all[i].Name = ""
		}
		taken[all[i].Name] = true
	}
	slices.SortStableFunc(all, func(a, b Manifest) int {
		if (a.Name == "") != (b.Name == "") {
			return cmp.Compare(len(b.Name), len(a.Name))
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return all, nil
}

// Get returns the image called name, or pulled last from the reference name, or
// whose id begins with name, in this order. None is NotFound; several ids that
// begin so are Invalid.
func (s *Service) Get(ctx context.Context, name string) (Manifest, error) {
	all, err := s.List(ctx)
	if err != nil {
		return Manifest{}, err
	}
	return find(all, name)
}

func find(all []Manifest, name string) (Manifest, error) {
	if name == "" {
		return Manifest{}, fault.New(fault.Invalid, "the image's name is empty").Try(act.ImageList.Do())
	}
	var newest Manifest
	var byID []Manifest
	for _, m := range all {
		switch {
		case m.Name == name, m.ID == name:
			return m, nil
		case m.Name != "" && m.Ref == name && m.CreatedAt.After(newest.CreatedAt):
			newest = m
		case strings.HasPrefix(m.ID, name):
			byID = append(byID, m)
		}
	}
	switch {
	case newest.ID != "":
		return newest, nil
	case len(byID) == 1:
		return byID[0], nil
	case len(byID) > 1:
		ids := make([]string, len(byID))
		for i, m := range byID {
			ids[i] = m.ID
		}
		return Manifest{}, fault.New(fault.Invalid, "%q is the beginning of %d image IDs: %s", name, len(byID), strings.Join(ids, ", ")).
			WithHint("type more of the ID, or the name")
	}
	return Manifest{}, notFound(name)
}

// notFound says how to get what name may mean.
func notFound(name string) error {
	err := fault.New(fault.NotFound, "no image named %q", name)
	if ref, refErr := ParseRef(name); refErr == nil {
		return err.WithHint("to get it: %s", act.ImagePull.On(ref.String()))
	}
	return err.WithHint("to see what is there: %s; to get another: %s", act.ImageList.Do(), act.ImagePull.On(""))
}

// Delete removes the image that Get finds. One that VMs use is a Conflict.
func (s *Service) Delete(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.Get(ctx, name)
	if err != nil {
		return err
	}
	users, err := s.users.ImageUsers(ctx, m.ID)
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return fault.New(fault.Conflict, "image %q is used by %s", name, summary(users)).
			WithHint("a VM needs its image at each start; to delete one that you no longer need: %s", act.VMDelete.On(""))
	}
	return s.store.Remove(ctx, m.ID)
}

// summary names some VMs, for a message.
func summary(names []string) string {
	const most = 5
	what := "VM "
	if len(names) > 1 {
		what = "the VMs "
	}
	if len(names) > most {
		return fmt.Sprintf("%s%s and %d more", what, strings.Join(names[:most], ", "), len(names)-most)
	}
	return what + strings.Join(names, ", ")
}

// Sweep removes what a daemon that died left unfinished. It is called once,
// before any other method.
func (s *Service) Sweep(ctx context.Context) error { return s.store.Sweep(ctx) }

// newID makes the id of an image, which is shorter than those of other records.
func newID() string { return ids.Hex(6) }
