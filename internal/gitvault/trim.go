package gitvault

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
)

// guestPack begins the name of a pack in a vault that came from the guest. Other
// packs are what was sent.
const guestPack = "pack-guest"

// liveFile, in a vault, has the number of bytes that Trim left of the guest's.
const liveFile = "banger-live"

// Trim removes all objects of the guest's that no root needs, once they are more
// than those that some root does need and above bytes, or fill half of the vault.
func Trim(ctx context.Context, host *hostgit.Host, vault string, roots []string, above int64) error {
	held, err := GuestBytes(vault)
	if err != nil {
		return err
	}
	said, err := os.ReadFile(filepath.Join(vault, liveFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	live, _ := strconv.ParseInt(string(said), 10, 64) // without a number nothing is known to be needed
	if held <= 2*live+above && held <= host.Limits.VaultBytes/2 {
		return nil
	}
	return repack(ctx, host, vault, roots)
}

// repack makes one pack of what the roots need and was not sent, and removes
// the guest's other objects. Cut off, it leaves more than is needed.
func repack(ctx context.Context, host *hostgit.Host, vault string, roots []string) error {
	git, err := host.Vault(vault)
	if err != nil {
		return err
	}
	packs := filepath.Join(vault, "objects", "pack")
	if err := keepSent(packs); err != nil {
		return err
	}
	have, err := Present(ctx, git, nil, roots)
	if err != nil {
		return err
	}
	name, err := git.Output(ctx, gittree.Cmd{
		Stdin: strings.NewReader(strings.Join(have, "\n") + "\n"),
		Args: []string{
			"pack-objects", "-q", "--revs", "--honor-pack-keep", "--non-empty", "--window=0", "--delta-base-offset", filepath.Join(packs, guestPack),
		},
	})
	if err != nil {
		return hostgit.Excess(err)
	}
	if err := removeOthers(vault, guestPack+"-"+strings.TrimSpace(string(name))); err != nil {
		return err
	}
	live, err := GuestBytes(vault)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(vault, liveFile), strconv.AppendInt(nil, live, 10), 0o600)
}

// keepSent marks the packs that were sent: their objects are not packed again.
func keepSent(packs string) error {
	sent, err := filepath.Glob(filepath.Join(packs, "*.pack"))
	for _, pack := range sent {
		if !strings.HasPrefix(filepath.Base(pack), guestPack) {
			err = errors.Join(err, os.WriteFile(strings.TrimSuffix(pack, ".pack")+".keep", nil, 0o600))
		}
	}
	return err
}

// removeOthers removes the guest's packs but the named one, and all loose objects.
func removeOthers(vault, name string) error {
	return eachOfGuest(vault, func(path string, _ fs.FileInfo) error {
		if strings.HasPrefix(filepath.Base(path), name+".") {
			return nil
		}
		return os.Remove(path)
	})
}

// GuestBytes is how much a vault has from the guest.
func GuestBytes(vault string) (int64, error) {
	var sum int64
	err := eachOfGuest(vault, func(_ string, info fs.FileInfo) error {
		sum += info.Size()
		return nil
	})
	return sum, err
}

// eachOfGuest visits the files of a vault with objects from the guest.
func eachOfGuest(vault string, visit func(path string, info fs.FileInfo) error) error {
	objects := filepath.Join(vault, "objects")
	return filepath.WalkDir(objects, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		dir := filepath.Base(filepath.Dir(path))
		if dir == "info" || dir == "pack" && !strings.HasPrefix(d.Name(), guestPack) {
			return nil
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		return visit(path, info)
	})
}
