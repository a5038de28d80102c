package vmdir_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmdir"
)

const id = "0123456789abcdef"

// fakeMaker makes disks that are only sizes.
type fakeMaker struct {
	made int
	fail error
}

func (m *fakeMaker) Create(_ context.Context, path string, bytes int64) error {
	m.made++
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(file.Truncate(bytes), file.Close(), m.fail)
}

func (m *fakeMaker) Grow(_ context.Context, path string, bytes int64) error {
	return os.Truncate(path, bytes)
}

func newVMs(t *testing.T) (*vmdir.VMs, statedir.Dirs, *fakeMaker) {
	t.Helper()
	root := t.TempDir()
	dirs := statedir.Dirs{
		Config: filepath.Join(root, "config"), State: filepath.Join(root, "state"),
		Cache: filepath.Join(root, "cache"), Runtime: filepath.Join(root, "run"),
	}
	if err := dirs.Ensure(); err != nil {
		t.Fatal(err)
	}
	maker := &fakeMaker{}
	return vmdir.New(dirs, maker), dirs, maker
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

func TestADiskIsMadeOnceGrownAndRemoved(t *testing.T) {
	vms, dirs, maker := newVMs(t)
	for range 2 {
		if err := vms.Create(t.Context(), id, 4096); err != nil {
			t.Fatal(err)
		}
	}
	if maker.made != 1 || vms.Path(id) != dirs.VM(id).Disk() || size(t, vms.Path(id)) != 4096 {
		t.Errorf("made %d times, %s of %d bytes", maker.made, vms.Path(id), size(t, vms.Path(id)))
	}
	if info, err := os.Stat(string(dirs.VM(id))); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("directory: %v, %v", info, err)
	}
	if err := vms.Grow(t.Context(), id, 8192); err != nil || size(t, vms.Path(id)) != 8192 {
		t.Errorf("Grow: %v", err)
	}
	for range 2 {
		if err := vms.Remove(t.Context(), id); err != nil {
			t.Errorf("Remove: %v", err)
		}
	}
	if _, err := os.Stat(string(dirs.VM(id))); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("directory after Remove: %v", err)
	}
}

func TestADiskThatIsHalfMadeIsMadeAnew(t *testing.T) {
	vms, _, maker := newVMs(t)
	maker.fail = fault.New(fault.Unavailable, "disk full")
	if err := vms.Create(t.Context(), id, 4096); !errors.Is(err, fault.Unavailable) {
		t.Errorf("Create = %v", err)
	}
	if _, err := os.Stat(vms.Path(id)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the half-made disk is in place: %v", err)
	}
	maker.fail = nil
	if err := vms.Create(t.Context(), id, 4096); err != nil || size(t, vms.Path(id)) != 4096 {
		t.Errorf("second Create = %v", err)
	}
}

func TestSweepRemovesOnlyWhatBangerdStaged(t *testing.T) {
	vms, dirs, _ := newVMs(t)
	if err := vms.Create(t.Context(), id, 4096); err != nil {
		t.Fatal(err)
	}
	monitors := dirs.VM(id).Exit() + statedir.StagingSuffix
	for _, file := range []string{
		monitors, dirs.VM(id).Disk() + statedir.StagingSuffix, dirs.VM(id).Identity() + statedir.StagingSuffix,
	} {
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dirs.VMs(), "x"+statedir.StagingSuffix, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	ids, err := vms.Sweep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{id}, ids); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	left, err := filepath.Glob(filepath.Join(dirs.VMs(), "*", "*"+statedir.StagingSuffix))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{monitors}, left); diff != "" {
		t.Errorf("staged files left (-want +got):\n%s", diff)
	}
	if size(t, vms.Path(id)) != 4096 {
		t.Error("the disk was touched")
	}
}

func TestAnIdentityIsMadeOnceAndIsUsable(t *testing.T) {
	vms, dirs, _ := newVMs(t)
	if _, err := vms.Identity(id); !errors.Is(err, fault.NotFound) {
		t.Errorf("Identity before = %v", err)
	}
	if err := vms.Create(t.Context(), id, 4096); err != nil {
		t.Fatal(err)
	}
	first, err := vms.Ensure(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	again, err := vms.Ensure(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("second Ensure (-first +second):\n%s", diff)
	}
	checkIdentity(t, first)
	if info, err := os.Stat(dirs.VM(id).Identity()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("identity.json: %v, %v", info, err)
	}
	if err := vms.Create(t.Context(), "fedcba9876543210", 4096); err != nil {
		t.Fatal(err)
	}
	other, err := vms.Ensure(t.Context(), "fedcba9876543210")
	if err != nil {
		t.Fatal(err)
	}
	if other.MachineID == first.MachineID || other.Token == first.Token || other.HostKey == first.HostKey {
		t.Error("two VMs share an identity")
	}
}

func checkIdentity(t *testing.T, got vm.Identity) {
	t.Helper()
	if !regexp.MustCompile(`^[0-9a-f]{32}$`).MatchString(got.MachineID) || len(got.Token) != 64 {
		t.Errorf("machine id %q, token of %d", got.MachineID, len(got.Token))
	}
	signer, err := ssh.ParsePrivateKey([]byte(got.HostKey))
	if err != nil {
		t.Fatalf("host key: %v", err)
	}
	public, _, _, rest, err := ssh.ParseAuthorizedKey([]byte(got.HostPublicKey))
	if err != nil || len(rest) != 0 {
		t.Fatalf("public host key: %v", err)
	}
	if string(public.Marshal()) != string(signer.PublicKey().Marshal()) {
		t.Error("the public key is not the private key's")
	}
}

func TestAnIdentityThatCannotBeReadIsNotReplaced(t *testing.T) {
	tests := map[string]struct {
		content string
		code    fault.Code
	}{
		"damaged": {`{"format":`, fault.Internal},
		"empty":   {``, fault.Internal},
		"newer":   {`{"format": 2}`, fault.Unavailable},
		"huge":    {string(make([]byte, 70<<10)), fault.Internal},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			vms, dirs, _ := newVMs(t)
			if err := vms.Create(t.Context(), id, 4096); err != nil {
				t.Fatal(err)
			}
			path := dirs.VM(id).Identity()
			if err := os.WriteFile(path, []byte(tt.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := vms.Ensure(t.Context(), id); !errors.Is(err, tt.code) {
				t.Errorf("Ensure = %v", err)
			}
			if data, err := os.ReadFile(path); err != nil || string(data) != tt.content {
				t.Errorf("the file was replaced (%v)", err)
			}
		})
	}
}

func TestAuthorizedKeys(t *testing.T) {
	vms, dirs, _ := newVMs(t)
	if _, err := vms.AuthorizedKeys(t.Context()); !errors.Is(err, fault.Internal) {
		t.Errorf("AuthorizedKeys without a key = %v", err)
	}
	if err := os.WriteFile(dirs.ClientKeyPub(), []byte("ssh-ed25519 AAAA me\n\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keys, err := vms.AuthorizedKeys(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"ssh-ed25519 AAAA me"}, keys); diff != "" {
		t.Errorf("keys (-want +got):\n%s", diff)
	}
}
