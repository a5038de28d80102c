package vmdir

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/regularfile"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/workspace"
)

const (
	// savedFormat numbers workspace.json. A newer one is refused.
	savedFormat = 1
	// maxSaved bounds workspace.json, in bytes.
	maxSaved = 4 << 20

	savedFile, savedVault = "workspace.json", "vault.git"
)

// saved is workspace.json: a workspace as it goes with a copy of its VM's disk.
type saved struct {
	Format       int       `json:"format"`
	Vault        string    `json:"vault"`
	Source       string    `json:"source"`
	Path         string    `json:"path"`
	Mode         string    `json:"mode"`
	Objects      string    `json:"objects"` // the format of object names
	Branch       string    `json:"branch,omitempty"`
	HeadCommit   string    `json:"head_commit,omitempty"`
	BaseTree     string    `json:"base_tree"`
	PreparedAt   time.Time `json:"prepared_at"`
	ExportedTree string    `json:"exported_tree,omitempty"`
	ExportedAt   time.Time `json:"exported_at,omitzero"`
	AppliedTree  string    `json:"applied_tree,omitempty"`
	Work         savedWork `json:"work"`
}

type savedWork struct {
	Tree       string    `json:"tree,omitempty"`
	Files      int       `json:"files"`
	Branches   []string  `json:"branches,omitempty"`
	Stashes    []string  `json:"stashes,omitempty"`
	WorkTrees  []string  `json:"work_trees,omitempty"`
	Unread     bool      `json:"unread,omitempty"`
	MeasuredAt time.Time `json:"measured_at,omitzero"`
	Final      bool      `json:"final"`
}

// Save implements workspace.Vaults. The objects of the copy are hard links: git never
// changes one.
func (s *Vaults) Save(w workspace.Workspace, dir string) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return statedir.DiskFault(err, dir)
	}
	e := w.Work.Elsewhere
	data, err := json.MarshalIndent(saved{
		Format: savedFormat, Vault: w.Vault, Source: w.Source, Path: w.Path, Mode: string(w.Mode), Objects: w.Format, Branch: w.Branch,
		HeadCommit: w.HeadCommit, BaseTree: w.BaseTree, PreparedAt: w.PreparedAt, ExportedTree: w.ExportedTree, ExportedAt: w.ExportedAt,
		AppliedTree: w.AppliedTree,
		Work: savedWork{
			Tree: w.Work.Tree, Files: w.Work.Files, Branches: e.Branches, Stashes: e.Stashes, WorkTrees: e.WorkTrees, Unread: e.Unread,
			MeasuredAt: w.Work.MeasuredAt, Final: w.Work.Final,
		},
	}, "", "  ")
	if err != nil {
		return err
	}
	path := filepath.Join(dir, savedFile)
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return statedir.DiskFault(err, path)
	}
	return linkTree(s.dirs.VM(w.VMID).Vault(w.Vault), filepath.Join(dir, savedVault))
}

// Saved implements workspace.Vaults.
func (s *Vaults) Saved(dir string) (workspace.Workspace, bool, error) {
	path := filepath.Join(dir, savedFile)
	data, err := regularfile.Read(path, maxSaved)
	if errors.Is(err, fs.ErrNotExist) {
		return workspace.Workspace{}, false, nil
	}
	var f saved
	if err == nil {
		err = json.Unmarshal(data, &f)
	}
	if err != nil {
		return workspace.Workspace{}, false, fault.Wrap(fault.Internal, err, "%s is damaged", path)
	}
	if f.Format != savedFormat {
		return workspace.Workspace{}, false, fault.New(fault.Unavailable, "%s has format %d, this build of banger knows %d", path, f.Format, savedFormat).
			WithHint("install the newer banger that wrote it")
	}
	if f.Vault == "" || filepath.Base(f.Vault) != f.Vault {
		return workspace.Workspace{}, false, fault.New(fault.Internal, "%s is damaged: it names no vault", path)
	}
	return workspace.Workspace{
		Vault: f.Vault, Source: f.Source, Path: f.Path, Mode: workspace.Mode(f.Mode), Format: f.Objects, Branch: f.Branch,
		HeadCommit: f.HeadCommit, BaseTree: f.BaseTree, PreparedAt: f.PreparedAt, ExportedTree: f.ExportedTree, ExportedAt: f.ExportedAt,
		AppliedTree: f.AppliedTree,
		Work: workspace.Work{
			Tree: f.Work.Tree, Files: f.Work.Files, MeasuredAt: f.Work.MeasuredAt, Final: f.Work.Final,
			Elsewhere: workspace.Elsewhere{Branches: f.Work.Branches, Stashes: f.Work.Stashes, WorkTrees: f.Work.WorkTrees, Unread: f.Work.Unread},
		},
	}, true, nil
}

// Copy implements workspace.Vaults.
func (s *Vaults) Copy(w workspace.Workspace, toVM string) error {
	return s.merge(s.dirs.VM(w.VMID).Vault(w.Vault), toVM, w.Vault)
}

// Merge implements workspace.Vaults. More objects harm no vault, and are trimmed when nothing needs them.
func (s *Vaults) Merge(dir, vmID, vault string) error {
	return s.merge(filepath.Join(dir, savedVault), vmID, vault)
}

func (s *Vaults) merge(src, vmID, vault string) error {
	to, err := s.Vault(vmID, vault)
	if err != nil {
		return err
	}
	if _, err := os.Stat(to); err == nil {
		return linkTree(filepath.Join(src, "objects"), filepath.Join(to, "objects"))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	staged := to + statedir.StagingSuffix
	if err := os.RemoveAll(staged); err != nil {
		return err
	}
	if err := linkTree(src, staged); err != nil {
		return errors.Join(err, os.RemoveAll(staged))
	}
	return os.Rename(staged, to)
}

// linkTree gives dst what the directory src has and dst has not. Of a bare repository the
// objects are linked, all else, which is little, is copied. Without src it makes an empty one.
func linkTree(src, dst string) error {
	if err := os.MkdirAll(dst, 0o700); err != nil {
		return statedir.DiskFault(err, dst)
	}
	objects := filepath.Base(src) == "objects"
	err := filepath.WalkDir(src, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			if path == src && errors.Is(err, fs.ErrNotExist) { // nothing was sent
				return nil
			}
			return err
		}
		below, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, below)
		switch {
		case entry.IsDir():
			return os.MkdirAll(to, 0o700)
		case !entry.Type().IsRegular():
			return fmt.Errorf("%s is not a regular file", path)
		case objects || strings.HasPrefix(below, "objects"+string(filepath.Separator)):
			err = os.Link(path, to)
		default:
			err = copyNew(path, to)
		}
		if errors.Is(err, fs.ErrExist) {
			return nil
		}
		return err
	})
	return statedir.DiskFault(err, dst)
}

// maxPlain bounds a file of a repository that is no object, in bytes.
const maxPlain = 16 << 20

func copyNew(src, dst string) error {
	data, err := regularfile.Read(src, maxPlain)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(dst))
	}
	return nil
}
