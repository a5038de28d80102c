// Package initramfs builds the archive that a guest's kernel starts from: the
// agent as /init, and the kernel modules that it loads.
package initramfs

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
)

// format numbers the archive's layout: it is part of a cached archive's key.
const format = 1

// Builder builds and caches archives. It is safe for concurrent use, also by
// several processes.
type Builder struct {
	dirs  statedir.Dirs
	agent string
	log   *slog.Logger

	mu     sync.Mutex // held while an archive is built, and guards hashed
	hashed agentHash
}

// agentHash remembers the hash of the agent's binary while the file stays the same.
type agentHash struct {
	info fs.FileInfo
	sum  string
}

// New makes a Builder; agent is the path of a static banger-vsock-agent, which
// is read at each Build.
func New(dirs statedir.Dirs, agent string, log *slog.Logger) *Builder {
	return &Builder{dirs: dirs, agent: agent, log: log}
}

// Build returns the path of the archive for the kernel k in dir, building it first
// where it is not in the cache. The archive is uncompressed: software emulation
// is slow to decompress.
func (b *Builder) Build(ctx context.Context, k kernel.Manifest, dir statedir.Kernel) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	// Opened once, so that what is hashed is what is packed, also while an
	// upgrade replaces the file.
	agent, _, err := regularfile.Open(b.agent)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fault.New(fault.Unavailable, "the guest's agent is not in %s", b.agent).
			WithHint("install banger-vsock-agent next to bangerd")
	}
	if err != nil {
		return "", fmt.Errorf("the guest's agent: %w", err)
	}
	defer agent.Close() //nolint:errcheck // read only
	key, err := b.key(k, agent)
	if err != nil {
		return "", fmt.Errorf("the guest's agent: %w", err)
	}
	path := filepath.Join(b.dirs.Initramfs(), key)
	if _, err := os.Stat(path); err == nil {
		now := time.Now()
		if err := os.Chtimes(path, now, now); err != nil { // Sweep goes by it
			b.log.WarnContext(ctx, "mark the initramfs as used", "path", path, "err", err)
		}
		return path, nil
	}
	if err := b.build(ctx, k, dir, agent, path); err != nil {
		return "", fmt.Errorf("build the initramfs of kernel %s: %w", k.Name, err)
	}
	return path, nil
}

// key names an archive by all that it holds.
func (b *Builder) key(k kernel.Manifest, agent *os.File) (string, error) {
	info, err := agent.Stat()
	if err != nil {
		return "", err
	}
	if !sameFile(b.hashed.info, info) {
		content := sha256.New()
		if _, err := io.Copy(content, agent); err != nil {
			return "", err
		}
		b.hashed = agentHash{info: info, sum: hex.EncodeToString(content.Sum(nil))}
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %q %q %q %v %s",
		format, b.hashed.sum, k.Version, k.BootModules, k.LateModules, k.ModuleDevices, k.BootModulesSHA256))
	return hex.EncodeToString(sum[:16]), nil
}

func sameFile(a, b fs.FileInfo) bool {
	return a != nil && os.SameFile(a, b) && a.Size() == b.Size() && a.ModTime().Equal(b.ModTime())
}

// build writes the archive beside its place and renames it in. Whoever builds
// the same at the same time makes the same bytes.
func (b *Builder) build(ctx context.Context, k kernel.Manifest, dir statedir.Kernel, agent *os.File, path string) (err error) {
	if err := os.MkdirAll(b.dirs.Initramfs(), 0o700); err != nil {
		return err
	}
	out, err := os.CreateTemp(b.dirs.Initramfs(), filepath.Base(path)+".*"+statedir.StagingSuffix)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, out.Close())
		if err != nil {
			err = errors.Join(err, os.Remove(out.Name()))
		}
	}()
	if _, err := agent.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := write(ctx, out, agent, dir, k); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return err
	}
	return os.Rename(out.Name(), path)
}

// unused is how long an archive stays in the cache that no VM was started with.
const unused = 30 * 24 * time.Hour

// Sweep removes what interrupted builds left behind, and archives that were not
// used for 30 days before now. Call it while nothing is built.
func (b *Builder) Sweep(ctx context.Context, now time.Time) error {
	entries, err := os.ReadDir(b.dirs.Initramfs())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("sweep the initramfs cache: %w", err)
	}
	var errs []error
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue
		}
		if strings.HasSuffix(e.Name(), statedir.StagingSuffix) || now.Sub(info.ModTime()) > unused {
			b.log.InfoContext(ctx, "sweep", "path", e.Name())
			errs = append(errs, os.Remove(filepath.Join(b.dirs.Initramfs(), e.Name())))
		}
	}
	return errors.Join(errs...)
}
