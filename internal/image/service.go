package image

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/ids"
)

// Service is the catalog of images. It is safe for concurrent use.
type Service struct {
	store   Store
	source  Source
	files   Filesystems
	users   Users
	kernels Kernels
	// catalogs may be nil.
	catalogs Catalogs
	arch     string
	// archives may be nil until the first Save.
	archives Archives
	layers   Layers
	events   Events // or nil
	now      func() time.Time
	log      *slog.Logger

	mu sync.Mutex // held while names change hands, and images are deleted
	// making are the images on their way here.
	making map[*making]struct{}
	// held is how many have an image in hand that no VM uses yet, by its id.
	held map[string]int
}

// NewService returns a Service. All arguments are required; users may be set
// later, with UseUsers, before the first call of any other method.
func NewService(store Store, source Source, files Filesystems, users Users, now func() time.Time, log *slog.Logger) *Service {
	return &Service{store: store, source: source, files: files, users: users, now: now, log: log, making: map[*making]struct{}{}, held: map[string]int{}}
}

// UseUsers says who knows which VMs use an image.
func (s *Service) UseUsers(users Users) { s.users = users }

// UseKernels says where images get their own kernels, before the first call of
// any other method.
func (s *Service) UseKernels(kernels Kernels) { s.kernels = kernels }

// Tell says who hears of images, before the first call of any other method.
func (s *Service) Tell(events Events) { s.events = events }

// stored tells of an image that was stored, unless err says that it was not.
func (s *Service) stored(m Manifest, err error) error {
	if err == nil && s.events != nil {
		s.events.ImageChanged(m)
	}
	return err
}

func (s *Service) update(ctx context.Context, m Manifest) error {
	return s.stored(m, s.store.Update(ctx, m))
}

func (s *Service) remove(ctx context.Context, m Manifest) error {
	err := s.store.Remove(ctx, m.ID)
	if err == nil && s.events != nil {
		s.events.ImageDeleted(m)
	}
	return err
}

// List returns all images by name, one with several names as often. Those without
// a name are the last.
func (s *Service) List(ctx context.Context) ([]Image, error) {
	all, err := s.store.List(ctx)
	if err != nil {
		return nil, err
	}
	return named(all), nil
}

// Get returns the image called name, or whose id that is, or pulled last from the
// reference name, or whose id begins with name, in this order. None is NotFound;
// several ids that begin so are Invalid.
func (s *Service) Get(ctx context.Context, name string) (Image, error) {
	all, err := s.List(ctx)
	if err != nil {
		return Image{}, err
	}
	return find(all, name)
}

// Sweep removes what a daemon that died left unfinished, and takes each name that
// it left twice from the earlier image, and images without a name that no VM uses. It is called once, before any other method.
func (s *Service) Sweep(ctx context.Context) error {
	if err := s.store.Sweep(ctx); err != nil {
		return err
	}
	all, err := s.store.List(ctx)
	if err != nil {
		return err
	}
	for i, m := range settled(all) {
		if m.Damaged != "" { // it may have been somebody's, who is told of it
			continue
		}
		if len(m.Names) != len(all[i].Names) {
			err = s.keepOrRemove(ctx, m)
		} else if len(m.Names) == 0 {
			_, err = s.Prune(ctx, m.ID, false)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// closed closes what was opened of a reference.
func (s *Service) closed(content Content, ref string) {
	if err := content.Close(); err != nil {
		s.log.Warn("close an image's source", "ref", ref, "error", err)
	}
}

// newID makes the id of an image, which is shorter than those of other records.
func newID() string { return ids.Hex(idLength / 2) }
