package image_test

import (
	"context"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

// fakeDisk is files with filesystems. What their content begins with makes them good.
type fakeDisk struct {
	files map[string]fakeFile
	inode uint64
	fail  error // of Write and Copy
}

type fakeFile struct {
	content, uuid string
	inode         uint64
	at            time.Time
}

// bytes is what all files have, but those that are cut off.
const bytes = 42

const goodRoot = "the files of "

func (d *fakeDisk) put(path, content, uuid string) {
	d.inode++
	d.files[path] = fakeFile{content: content, uuid: uuid, inode: d.inode, at: time.Unix(int64(d.inode), 0)}
}

func (d *fakeDisk) move(from, to string) {
	d.files[to] = d.files[from]
	delete(d.files, from)
}

// damage changes a file in its place.
func (d *fakeDisk) damage(path, content string) {
	f := d.files[path]
	f.content, f.at = content, f.at.Add(time.Hour)
	d.files[path] = f
}

func (f fakeFile) size() int64 {
	if f.content == "" {
		return 0
	}
	return bytes
}

func (d *fakeDisk) get(path string) (fakeFile, error) {
	f, ok := d.files[path]
	if !ok {
		return f, fault.New(fault.NotFound, "there is no file %s", path)
	}
	return f, nil
}

func (d *fakeDisk) Write(ctx context.Context, tar io.Reader, path, uuid string) (image.Filesystem, error) {
	content, err := io.ReadAll(tar)
	if d.fail != nil || err != nil {
		return image.Filesystem{}, d.fail
	}
	if uuid == "" {
		uuid = "a new UUID"
	}
	d.put(path, string(content), uuid)
	return d.Read(ctx, path)
}

func (d *fakeDisk) Read(_ context.Context, path string) (image.Filesystem, error) {
	f, err := d.get(path)
	if err != nil {
		return image.Filesystem{}, err
	}
	return image.Filesystem{Bytes: f.size(), SHA256: "sum of " + f.content + " (" + f.uuid + ")", UUID: f.uuid}, nil
}

func (d *fakeDisk) Inspect(_ context.Context, path string) (image.Filesystem, error) {
	f, err := d.get(path)
	if err == nil && !strings.HasPrefix(f.content, goodRoot) {
		err = fault.New(fault.Invalid, "%s is no root", path)
	}
	return image.Filesystem{Bytes: f.size(), Architecture: "amd64"}, err
}

func (d *fakeDisk) Copy(_ context.Context, from, to string) error {
	f, err := d.get(from)
	if d.fail != nil || err != nil {
		return d.fail
	}
	d.put(to, f.content, f.uuid)
	return nil
}

func (s *memoryStore) RootfsPath(m image.Manifest) string {
	if m.External != nil {
		return m.External.Path
	}
	return "/images/" + m.ID + "/rootfs.ext4"
}

func (s *memoryStore) LayerPath(id, digest string) string {
	return "/images/" + id + "/layers/" + digest
}

// Owns knows banger's directory by its name.
func (s *memoryStore) Owns(path string) bool { return strings.HasPrefix(path, "/state/banger/") }

func (s *memoryStore) Stat(path string) (image.FileState, error) {
	f, err := s.disk.get(path)
	return image.FileState{Bytes: f.size(), ModifiedAt: f.at, Inode: f.inode}, err
}

func (s *memoryStore) Renew(_ context.Context, id string) (image.Renewal, error) {
	s.staged++
	return &memoryRenewal{s: s, id: id}, nil
}

type memoryRenewal struct {
	s    *memoryStore
	id   string
	done bool
}

func (r *memoryRenewal) RootfsPath() string { return "/images/" + r.id + "/staged" }

func (r *memoryRenewal) Commit(m image.Manifest) error {
	if r.s.fail != nil {
		return r.s.fail
	}
	r.done = true
	r.s.staged--
	r.s.disk.move(r.RootfsPath(), r.s.RootfsPath(m))
	r.s.images[r.id] = m
	return nil
}

func (r *memoryRenewal) Discard() error {
	if !r.done {
		r.s.staged--
		delete(r.s.disk.files, r.RootfsPath())
	}
	return nil
}

// snapshot is all that there is.
func (f *fixture) snapshot() (map[string]image.Manifest, map[string]fakeFile) {
	return maps.Clone(f.store.images), maps.Clone(f.store.disk.files)
}
