package gitvault

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/ids"
)

// Quarantine is a directory of objects that a vault does not have, and sees
// those that it has.
type Quarantine struct {
	Git     gittree.Git
	Dir     string   // which Remove removes
	Env     []string // with which git works in it
	vault   string
	objects string
}

// NewQuarantine makes an empty one beside the vault. Remove it.
func NewQuarantine(git gittree.Git, vault string) (*Quarantine, error) {
	dir, err := Scratch(vault)
	if err != nil {
		return nil, err
	}
	q := &Quarantine{Git: git, Dir: dir, vault: vault, objects: filepath.Join(dir, "objects")}
	q.Env = []string{"GIT_OBJECT_DIRECTORY=" + q.objects, "GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	for _, below := range []string{"pack", "info"} {
		if err := os.MkdirAll(filepath.Join(q.objects, below), 0o700); err != nil {
			return nil, errors.Join(err, q.Remove())
		}
	}
	alternates := filepath.Join(q.objects, "info", "alternates")
	if err := os.WriteFile(alternates, []byte(filepath.Join(vault, "objects")+"\n"), 0o600); err != nil {
		return nil, errors.Join(err, q.Remove())
	}
	return q, nil
}

// Remove removes it, with all that was not admitted.
func (q *Quarantine) Remove() error { return os.RemoveAll(q.Dir) }

// Line is what git prints on one line.
func (q *Quarantine) Line(ctx context.Context, args ...string) (string, error) {
	out, err := q.Git.Output(ctx, gittree.Cmd{Env: q.Env, Args: args})
	return strings.TrimSpace(string(out)), err
}

// NewPack makes an empty file for a pack of the guest's.
func (q *Quarantine) NewPack() (*os.File, error) {
	path := filepath.Join(q.objects, "pack", guestPack+"-"+ids.New()+".pack")
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
}

// Admit moves a pack of NewPack's, which git has indexed, into the vault.
func (q *Quarantine) Admit(pack string) error {
	// A pack without an index is not there for git, so the index comes last.
	into := filepath.Join(q.vault, "objects", "pack")
	for _, ext := range []string{".rev", ".pack", ".idx"} {
		from := strings.TrimSuffix(pack, ".pack") + ext
		err := os.Rename(from, filepath.Join(into, filepath.Base(from)))
		if err != nil && (ext != ".rev" || !errors.Is(err, fs.ErrNotExist)) {
			return err
		}
	}
	return nil
}
