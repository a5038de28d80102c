// Package templatestore keeps saved machines in the cache, and those of late also in memory, where
// machines go on from them.
package templatestore

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/template"
	"github.com/bangervm/banger/internal/vmm"
)

const (
	// maxHeld is how many saved machines stay in memory, and heldFor how long after their
	// last use.
	maxHeld = 2
	heldFor = 10 * time.Minute
)

var _ template.Store = (*Store)(nil)

// Store implements template.Store. It is safe for concurrent use.
type Store struct {
	dirs statedir.Dirs
	log  *slog.Logger

	mu   sync.Mutex // held while one is read
	held map[string]*held
}

// held is a saved machine in memory.
type held struct {
	manifest template.Manifest
	saved    vmm.Saved
	used     time.Time
	drop     *time.Timer
}

// New makes a Store.
func New(dirs statedir.Dirs, log *slog.Logger) *Store {
	return &Store{dirs: dirs, log: log, held: map[string]*held{}}
}

// Close gives back the memory.
func (s *Store) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key := range s.held {
		s.forget(key)
	}
}

// Hold implements template.Store.
func (s *Store) Hold(_ context.Context, key string) (template.Manifest, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.hold(key)
	if err != nil {
		return template.Manifest{}, err
	}
	return h.manifest, nil
}

// Open returns a saved machine. NotFound when there is none; Unavailable when it is damaged. The caller
// closes it.
func (s *Store) Open(key string) (vmm.Saved, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	h, err := s.hold(key)
	if err != nil {
		return vmm.Saved{}, err
	}
	saved := h.saved
	if saved.State, err = again(h.saved.State); err != nil {
		return vmm.Saved{}, err
	}
	if saved.Memory, err = again(h.saved.Memory); err != nil {
		return vmm.Saved{}, errors.Join(err, saved.State.Close())
	}
	return saved, nil
}

// again opens a file in memory once more. QEMU wants to write to what it maps; the seals do not let it.
func again(f *os.File) (*os.File, error) {
	return os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()), os.O_RDWR, 0)
}

// hold has a saved machine in memory. The caller holds the lock.
func (s *Store) hold(key string) (*held, error) {
	dir := s.dirs.Template(key)
	now := time.Now()
	if h, ok := s.held[key]; ok {
		h.used = now
		h.drop.Reset(heldFor)
		s.use(dir, now)
		return h, nil
	}
	m, err := readManifest(dir)
	if err != nil {
		return nil, err
	}
	if m.Key != key {
		return nil, fault.New(fault.Unavailable, "%s is of another machine", dir.Manifest())
	}
	saved, err := load(dir, m)
	if err != nil {
		return nil, err
	}
	h := &held{manifest: m, saved: saved, used: now}
	h.drop = time.AfterFunc(heldFor, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.held[key] == h && time.Since(h.used) >= heldFor {
			s.forget(key)
		}
	})
	s.held[key] = h
	s.use(dir, now)
	for len(s.held) > maxHeld {
		s.forget(s.oldest())
	}
	return h, nil
}

// use marks a template as used, by which Evict goes.
func (s *Store) use(dir statedir.Template, now time.Time) {
	if err := os.Chtimes(dir.Manifest(), now, now); err != nil && !errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("mark a template as used", "err", err)
	}
}

func (s *Store) oldest() string {
	var oldest string
	for key, h := range s.held {
		if oldest == "" || h.used.Before(s.held[oldest].used) {
			oldest = key
		}
	}
	return oldest
}

func (s *Store) forget(key string) {
	h, ok := s.held[key]
	if !ok {
		return
	}
	delete(s.held, key)
	h.drop.Stop()
	_ = h.saved.Close() // files in memory
}

// Stage implements template.Store.
func (s *Store) Stage(ctx context.Context, key string) (dir string, err error) {
	v := s.dirs.TemplateBuild(key)
	if err := statedir.RemoveStaged(ctx, string(v)); err != nil {
		return "", err
	}
	return string(v), os.MkdirAll(string(v), 0o700)
}

// Discard implements template.Store.
func (s *Store) Discard(ctx context.Context, key string) error {
	return statedir.RemoveStaged(ctx, string(s.dirs.TemplateBuild(key)))
}

// Commit implements template.Store. It reads all of the files once, so that only what can be read
// back becomes a template.
func (s *Store) Commit(ctx context.Context, key string, about template.About, at time.Time) error {
	staged, dir := s.dirs.TemplateBuild(key).Saved(), s.dirs.Template(key)
	m, err := readManifest(staged)
	if err != nil {
		return err
	}
	about.MemoryBytes = m.About.MemoryBytes
	m.Key, m.About, m.CreatedAt = key, about, at
	saved, err := load(staged, m)
	if err != nil {
		return err
	}
	_ = saved.Close()
	if err := writeManifest(staged, m); err != nil {
		return err
	}
	if err := s.Remove(ctx, key); err != nil {
		return err
	}
	if err := os.Rename(string(staged), string(dir)); err != nil {
		return fmt.Errorf("store the template: %w", err)
	}
	return statedir.SyncDir(s.dirs.Templates())
}

// Remove implements template.Store.
func (s *Store) Remove(ctx context.Context, key string) error {
	s.mu.Lock()
	s.forget(key)
	s.mu.Unlock()
	gone := string(s.dirs.Template(key)) + ".gone" + statedir.StagingSuffix
	if err := os.Rename(string(s.dirs.Template(key)), gone); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove a template: %w", err)
	}
	return statedir.RemoveStaged(ctx, gone)
}

// List implements template.Store. What cannot be read is left out, and goes with Sweep.
func (s *Store) List(context.Context) ([]template.Stored, error) {
	entries, err := os.ReadDir(s.dirs.Templates())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []template.Stored
	for _, e := range entries {
		dir := s.dirs.Template(e.Name())
		m, err := readManifest(dir)
		if err != nil || m.Key != e.Name() {
			continue
		}
		info, err := os.Stat(dir.Manifest())
		if err != nil {
			continue
		}
		all = append(all, template.Stored{Manifest: m, Bytes: m.State.Bytes + m.Memory.Bytes + info.Size(), UsedAt: info.ModTime()})
	}
	slices.SortFunc(all, func(a, b template.Stored) int {
		return cmp.Or(b.UsedAt.Compare(a.UsedAt), strings.Compare(a.Key, b.Key))
	})
	return all, nil
}

// Sweep removes what earlier daemons left half-made, and what is no template of this build.
func (s *Store) Sweep(ctx context.Context) error {
	entries, err := os.ReadDir(s.dirs.Templates())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, e := range entries {
		if m, err := readManifest(s.dirs.Template(e.Name())); err == nil && m.Key == e.Name() {
			continue
		}
		if err := statedir.RemoveStaged(ctx, filepath.Join(s.dirs.Templates(), e.Name())); err != nil {
			s.log.Warn("sweep a template", "err", err)
		}
	}
	return nil
}
