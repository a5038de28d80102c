package image

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// remake makes the image's filesystem again from its reference, or of its layers.
func (s *Service) remake(ctx context.Context, m Manifest, p operation.Progress) (Manifest, error) {
	var content Content
	var err error
	if m.Base != nil {
		content, err = s.restack(ctx, m, p)
	} else {
		content, err = s.reopen(ctx, m, m.Origin, m.Source, m.Digest, p)
	}
	if err != nil {
		return m, err
	}
	defer s.closed(content, m.Source)
	return s.renew(ctx, m, content, p)
}

// reopen opens what the image m, or its base, came from.
func (s *Service) reopen(ctx context.Context, m Manifest, origin Origin, source, digest string, p operation.Progress) (Content, error) {
	ref, found := pinned(origin, source, digest, m.platform())
	if !found {
		return nil, fault.New(fault.Unavailable, "image %s cannot be made again: it came from %s", m.Label(), source).WithHint("%s", m.anew(origin, source))
	}
	p.Stage(stageResolve)
	p.Detail("%s", ref)
	content, err := s.source.Open(ctx, ref, nil)
	if err != nil {
		err = fmt.Errorf("make image %s again: %w", m.Label(), err)
		if origin == Untold && errors.Is(err, fault.NotFound) {
			err = fault.Wrap(fault.NotFound, err, "").WithHint("%s", m.anew(origin, source))
		}
		return nil, err
	}
	return content, nil
}

// anew proposes how to get an image that cannot be made of what is here.
func (m Manifest) anew(origin Origin, source string) fault.Hint {
	const saved = "or pull an archive of it that you saved: %s"
	name := ""
	if len(m.Names) > 0 {
		name = m.Label()
	}
	archive := act.ImagePull.On("", act.Replace, act.Name).To(name)
	switch origin {
	case FromVM, Untold:
		return fault.Hintf("commit the VM again: %s; "+saved, act.VMCommit.On(vmOf(source), act.Replace).To(name), archive)
	case FromFile:
		return fault.Hintf("register the file again: %s; "+saved, act.ImageRegister.Do(act.Name, act.Replace).To(name), archive)
	default:
		return fault.Hintf("make it anew under its name: %s", archive)
	}
}

// changed says that what the image is made of is no longer what it was.
func (m Manifest) changed(has string) error {
	if m.Origin == FromVM {
		return fault.New(fault.Conflict, "image %s has the digest %s, and its base and layers give %s now", m.Label(), short(m.Digest), short(has)).
			WithHint("%s", m.anew(m.Origin, m.Source))
	}
	pull := act.ImagePull.On(m.Source, act.Replace)
	if len(m.Names) > 0 {
		pull = wish{name: Name{Name: m.Label(), Ref: m.Source}}.replacing()
	}
	return fault.New(fault.Conflict, "image %s has the digest %s, and %s has %s now", m.Label(), short(m.Digest), m.Source, short(has)).
		WithHint("make it anew under its name: %s", pull)
}

// renew makes the filesystem again from content with the same digest. The disks of
// VMs fit it as they did before, since it gets the same UUID.
func (s *Service) renew(ctx context.Context, m Manifest, content Content, p operation.Progress) (Manifest, error) {
	if digest := content.Info().Digest; digest != "" && digest != m.Digest {
		return m, m.changed(digest)
	}
	renewal, err := s.store.Renew(ctx, m.ID)
	if err != nil {
		return m, err
	}
	defer func() {
		if err := renewal.Discard(); err != nil {
			s.log.Warn("remove a staged filesystem", "id", m.ID, "error", err)
		}
	}()
	uuid := m.RootfsUUID
	if uuid == "" { // format 1: the damaged file may still tell
		if had, err := s.files.Read(ctx, s.store.RootfsPath(m)); err == nil {
			uuid = had.UUID
		}
	}
	var made Filesystem
	err = content.Unpack(ctx, p, func(tar io.Reader) error {
		made, err = s.files.Write(ctx, tar, renewal.RootfsPath(), uuid)
		return err
	})
	if err != nil {
		return m, err
	}
	if digest := content.Info().Digest; digest != m.Digest {
		return m, m.changed(digest)
	}
	return s.install(ctx, m.ID, renewal, p, func(m *Manifest) { m.has(made) })
}

// install puts a new filesystem in its place.
func (s *Service) install(ctx context.Context, id string, renewal Renewal, p operation.Progress, change func(*Manifest)) (Manifest, error) {
	p.Stage(stageCommit)
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.ByID(ctx, id)
	if err != nil {
		return Manifest{}, err
	}
	if err := ctx.Err(); err != nil {
		return m, err
	}
	change(&m)
	m.Damaged = "" // what is stored now is whole
	return m, s.stored(m, renewal.Commit(m))
}
