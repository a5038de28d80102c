package image

import (
	"context"
	"fmt"
	"io"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/operation"
)

// Pull makes the image that req asks for. Its name is taken from the image that
// had it, and that one is removed when no VM uses it. Pulling what is there
// already, under the same name, returns the image that is there. When Pull ends
// with an error, or ctx is cancelled, nothing has changed. Progress has the
// stages resolve, fetch, unpack and commit.
func (s *Service) Pull(ctx context.Context, req PullRequest, p operation.Progress) (Manifest, error) {
	ref, name, err := check(req)
	if err != nil {
		return Manifest{}, err
	}
	if req.KernelRef != "" {
		if err := s.kernels.Check(ctx, req.KernelRef); err != nil {
			return Manifest{}, err
		}
		req.Kernel = req.KernelRef
	}
	p.Stage("resolve")
	p.Detail("%s", ref)
	content, err := s.source.Open(ctx, ref, req.Input)
	if err != nil {
		return Manifest{}, err
	}
	defer func() {
		if err := content.Close(); err != nil {
			s.log.Warn("close an image's source", "ref", ref.String(), "error", err)
		}
	}()
	if err := content.Info().Config.validate(); err != nil {
		return Manifest{}, fmt.Errorf("%s: %w", ref, err)
	}
	if m, ok := s.present(ctx, name, ref, req, content.Info()); ok {
		p.Detail("%s is up to date", name)
		return m, nil
	}
	m := Manifest{Format: ManifestFormat, ID: newID(), Name: name, Ref: ref.String(), Kernel: req.Kernel, OwnKernel: req.KernelRef != ""}
	if err := s.build(ctx, &m, req.KernelRef, content, p); err != nil {
		return Manifest{}, err
	}
	s.log.Info("image pulled", "id", m.ID, "name", m.Name, "ref", m.Ref, "digest", m.Digest, "bytes", m.RootfsBytes)
	return m, nil
}

func check(req PullRequest) (Ref, string, error) {
	ref, err := ParseRef(req.Ref)
	if err != nil {
		return Ref{}, "", err
	}
	name := req.Name
	if name == "" {
		name, err = ref.DefaultName()
	} else {
		err = ValidateName(name)
	}
	if err == nil && req.Kernel != "" && req.KernelRef != "" {
		err = fault.New(fault.Invalid, "the kernels %q and %q were both asked for", req.Kernel, req.KernelRef).WithHint("give one of them")
	}
	if err == nil && ref.Path == Stdin && req.Input == nil {
		err = fault.New(fault.Invalid, "%s needs the bytes of the image, and the request has none", ref)
	}
	return ref, name, err
}

// present returns the image called name when it is the very same.
func (s *Service) present(ctx context.Context, name string, ref Ref, req PullRequest, info Info) (Manifest, bool) {
	if info.Digest == "" {
		return Manifest{}, false
	}
	m, err := s.Get(ctx, name)
	same := err == nil && m.Name == name && m.Ref == ref.String() && m.Digest == info.Digest &&
		(req.Kernel == "" || req.Kernel == m.Kernel) && (req.KernelRef == "" || m.OwnKernel)
	return m, same
}

// build stages the image, fills it, and commits it.
func (s *Service) build(ctx context.Context, m *Manifest, kernelRef string, content Content, p operation.Progress) error {
	staging, err := s.store.Stage(ctx, m.ID)
	if err != nil {
		return err
	}
	defer func() {
		if err := staging.Discard(); err != nil {
			s.log.Warn("remove a staged image", "id", m.ID, "error", err)
		}
	}()
	err = content.Unpack(ctx, p, func(tar io.Reader) error {
		m.RootfsBytes, err = s.write(ctx, tar, staging.RootfsPath())
		return err
	})
	if err != nil {
		return err
	}
	p.Stage("commit")
	if kernelRef != "" {
		if err := s.kernels.Keep(ctx, kernelRef, staging.KernelDir()); err != nil {
			return err
		}
	}
	info := content.Info()
	m.Digest, m.Architecture, m.OS, m.Config = info.Digest, info.Architecture, info.OS, info.Config
	m.CreatedAt = s.now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := staging.Commit(*m); err != nil {
		return err
	}
	s.takeName(context.WithoutCancel(ctx), *m)
	return nil
}

// takeName takes the name of the image m from the images that had it. The image
// is there already, and wins by being newer, so that what goes wrong here is
// only logged.
func (s *Service) takeName(ctx context.Context, m Manifest) {
	all, err := s.store.List(ctx)
	if err != nil {
		s.log.Warn("look for the image that had the name", "name", m.Name, "error", err)
		return
	}
	for _, old := range all {
		if old.Name != m.Name || old.ID == m.ID {
			continue
		}
		users, err := s.users.ImageUsers(ctx, old.ID)
		if err == nil && len(users) == 0 {
			err = s.store.Remove(ctx, old.ID)
		} else if err == nil {
			old.Name = ""
			err = s.store.Update(ctx, old)
		}
		if err != nil {
			s.log.Warn("take the name from an older image", "id", old.ID, "name", m.Name, "error", err)
		}
	}
}
