package image

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Pull makes the image that req asks for. A digest that is here is not fetched
// again: it gets the name. A bare name that no catalog has is docker.io's: with a warning where
// a catalog cannot be used, and not where that is known to have the name. A name that an image of another digest has is a Conflict,
// told before any file is fetched, unless req replaces it: then that image loses the
// name, and goes when it has no other and no VM uses it. When Pull ends with an
// error, or ctx is cancelled, nothing has changed. Progress has the stages catalog,
// resolve, fetch, unpack and commit.
func (s *Service) Pull(ctx context.Context, req PullRequest, p operation.Progress) (Image, error) {
	if _, _, err := check(req); err != nil {
		return Image{}, err
	}
	req, found, absent, err := s.fromCatalog(ctx, req, p)
	if err != nil {
		return Image{}, err
	}
	switch {
	case !bare(req.Ref) || found:
	case absent.withheld != nil:
		return Image{}, absent.withheld
	case absent.problems != nil:
		p.Detail("warning: %v; no other catalog has %s, so it is docker.io/library/%s", absent.problems, req.Ref, req.Ref)
	default:
		p.Detail("no catalog has %s, so it is docker.io/library/%s", req.Ref, req.Ref)
	}
	done, err := s.pull(ctx, req, p)
	return done, absent.explain(err)
}

// pull is Pull without catalogs.
func (s *Service) pull(ctx context.Context, req PullRequest, p operation.Progress) (Image, error) {
	ref, name, err := check(req)
	if err != nil {
		return Image{}, err
	}
	if req.KernelRef != "" {
		if err := s.kernels.Check(ctx, req.KernelRef); err != nil {
			return Image{}, err
		}
		req.Kernel = req.KernelRef
	}
	p.Stage(stageResolve)
	p.Detail("%s", ref)
	content, err := s.source.Open(ctx, ref, req.Input)
	if err != nil {
		return Image{}, err
	}
	defer s.closed(content, ref.String())
	info := content.Info()
	if err := info.Config.validate(); err != nil {
		return Image{}, fmt.Errorf("%s: %w", ref, err)
	}
	w := wish{
		name: Name{Name: name, Ref: ref.String(), DiskBytes: req.DiskBytes, MemoryBytes: req.MemoryBytes, PreferKernel: req.PreferKernel}, replace: req.Replace,
		digest: info.Digest, arch: info.Architecture, platform: ref.Platform != (Platform{}), kernel: req.Kernel, own: req.KernelRef != "",
	}
	end, err := s.begin(ctx, w)
	if err != nil {
		return Image{}, err
	}
	defer end()
	m, found, err := s.adopt(ctx, w)
	switch {
	case err != nil:
		return Image{}, err
	case !found:
		return s.build(ctx, w, content, p)
	case s.Usable(m.Manifest) == nil:
		p.Detail("%s is up to date", name)
	default:
		if m.Manifest, err = s.renew(ctx, m.Manifest, content, p); err != nil {
			return m, err
		}
	}
	m.Manifest, err = s.complete(ctx, m.Manifest, info)
	return m, err
}

// build stages the image, fills it, and commits it.
func (s *Service) build(ctx context.Context, w wish, content Content, p operation.Progress) (Image, error) {
	m := Manifest{Format: ManifestFormat, ID: newID(), Origin: FromReference, Source: w.name.Ref, ConfigFormat: ConfigFormat, Kernel: w.kernel, OwnKernel: w.own}
	if w.vm != "" {
		m.Origin, m.ConfigFormat = FromVM, w.configFormat
	}
	staging, err := s.store.Stage(ctx, m.ID)
	if err != nil {
		return Image{}, err
	}
	defer func() {
		if err := staging.Discard(); err != nil {
			s.log.Warn("remove a staged image", "id", m.ID, "error", err)
		}
	}()
	if w.changes != nil {
		if err := s.addLayer(ctx, w, &m, staging, p); err != nil {
			return Image{}, err
		}
	}
	if err := s.fill(ctx, &m, staging, content, p); err != nil {
		return Image{}, err
	}
	p.Stage(stageCommit)
	if w.own {
		keep, of := s.kernels.Keep, w.kernel
		if w.base != "" {
			keep, of = s.kernels.KeepOf, w.base
		}
		if err := keep(ctx, of, staging.KernelDir()); err != nil {
			return Image{}, err
		}
	}
	w.digest = m.Digest
	// A tar says its digest last.
	if done, ok, err := s.adopt(ctx, w); err != nil || ok && s.Usable(done.Manifest) == nil {
		return done, err
	}
	done, err := s.publish(ctx, w, m, staging)
	if err == nil {
		s.log.Info("image made", "id", m.ID, "name", done.Name, "ref", m.Source, "digest", m.Digest, "bytes", m.RootfsBytes)
	}
	return done, err
}

// fill makes the filesystem, or shares that of another image with the same files,
// and completes m.
func (s *Service) fill(ctx context.Context, m *Manifest, staging Staging, content Content, p operation.Progress) error {
	shared, err := s.share(ctx, m, content.Info().Digest, staging)
	if err == nil && !shared {
		err = content.Unpack(ctx, p, func(tar io.Reader) error {
			made, err := s.files.Write(ctx, tar, staging.RootfsPath(), "")
			m.has(made)
			return err
		})
	}
	if err != nil {
		return err
	}
	info := content.Info()
	m.Digest, m.Architecture, m.Variant, m.OS, m.Config = info.Digest, info.Architecture, info.Variant, info.OS, info.Config
	return nil
}

// share reports whether the staged image has the filesystem of another now, which
// has the same files.
func (s *Service) share(ctx context.Context, m *Manifest, digest string, staging Staging) (bool, error) {
	all, err := s.store.List(ctx)
	if err != nil || digest == "" {
		return false, err
	}
	for _, other := range all {
		if other.Digest != digest || s.Usable(other) != nil {
			continue
		}
		if err := s.Whole(ctx, other); errors.Is(err, fault.Unavailable) {
			continue
		} else if err != nil {
			return false, err
		}
		if shared, err := staging.ShareRootfs(other.ID); shared || err != nil {
			m.RootfsBytes, m.RootfsSHA256, m.RootfsUUID = other.RootfsBytes, other.RootfsSHA256, other.RootfsUUID
			return shared, err
		}
	}
	return false, nil
}

// publish makes a staged image visible, under its name.
func (s *Service) publish(ctx context.Context, w wish, m Manifest, staging Staging) (Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return Image{}, err
	}
	stored, err := s.store.List(ctx)
	if err != nil {
		return Image{}, err
	}
	if err := w.refused(settled(stored)); err != nil {
		return Image{}, err
	}
	m.CreatedAt = s.now().UTC()
	w.name.At = s.later(stored, w.name.Name)
	m = m.with(w.name)
	if err := s.stored(m, staging.Commit(m)); err != nil {
		return Image{}, err
	}
	s.take(context.WithoutCancel(ctx), stored, m.ID, w.name.Name)
	return m.as(w.name.Name), nil
}
