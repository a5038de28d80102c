package sshkeys_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/sshkeys"
	"github.com/bangervm/banger/internal/statedir"
)

func dirs(t *testing.T) statedir.Dirs {
	t.Helper()
	d := statedir.Dirs{State: t.TempDir()}
	if err := os.Mkdir(d.SSH(), 0o700); err != nil {
		t.Fatal(err)
	}
	return d
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestClientKeyIsMadeOnce(t *testing.T) {
	d := dirs(t)
	if err := sshkeys.EnsureClientKey(d); err != nil {
		t.Fatal(err)
	}
	private, public := read(t, d.ClientKey()), read(t, d.ClientKeyPub())
	signer, err := ssh.ParsePrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	key, _, _, _, err := ssh.ParseAuthorizedKey(public)
	if err != nil || !bytes.Equal(key.Marshal(), signer.PublicKey().Marshal()) {
		t.Errorf("the halves differ: %v", err)
	}
	if info, err := os.Stat(d.ClientKey()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := os.Remove(d.ClientKeyPub()); err != nil {
		t.Fatal(err)
	}
	if err := sshkeys.EnsureClientKey(d); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(private, read(t, d.ClientKey())) || !bytes.Equal(public, read(t, d.ClientKeyPub())) {
		t.Error("the key changed")
	}
}

func TestOpenSSHReadsTheKey(t *testing.T) {
	keygen, err := exec.LookPath("ssh-keygen")
	if err != nil {
		if os.Getenv("BANGER_TEST_REQUIRE") == "1" {
			t.Fatal(err)
		}
		t.Skip("ssh-keygen is not installed")
	}
	d := dirs(t)
	if err := sshkeys.EnsureClientKey(d); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), keygen, "-y", "-f", d.ClientKey()).Output()
	if err != nil || !strings.HasPrefix(string(read(t, d.ClientKeyPub())), strings.TrimSpace(string(out))) {
		t.Errorf("%s, %v", out, err)
	}
}

func TestDamagedKeyIsNotReplaced(t *testing.T) {
	d := dirs(t)
	if err := os.WriteFile(d.ClientKey(), []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := sshkeys.EnsureClientKey(d); !errors.Is(err, fault.Internal) || fault.HintOf(err).String() == "" {
		t.Errorf("got %v", err)
	}
	if string(read(t, d.ClientKey())) != "not a key" {
		t.Error("it was overwritten")
	}
}

func TestKnownHosts(t *testing.T) {
	d := dirs(t)
	known := sshkeys.NewKnownHosts(d)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if err := known.Put(fmt.Sprintf("vm%d", i), fmt.Sprintf("ssh-ed25519 K%d\n", i)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if err := known.Put("vm3", "ssh-ed25519 NEW"); err != nil {
		t.Fatal(err)
	}
	if err := known.Keep(map[string]string{"vm1": "web", "vm3": "db", "vm9": "new"}); err != nil {
		t.Fatal(err)
	}
	wantLines(t, d, "vm1 ssh-ed25519 K1", "vm3 ssh-ed25519 NEW", "web.vm ssh-ed25519 K1", "db.vm ssh-ed25519 NEW")
}

func wantLines(t *testing.T, d statedir.Dirs, want ...string) {
	t.Helper()
	got := strings.Split(strings.TrimSpace(string(read(t, d.KnownHosts()))), "\n")
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("known hosts are %q; want %q", got, want)
	}
}

func TestNamesOfKnownHosts(t *testing.T) {
	d := dirs(t)
	known := sshkeys.NewKnownHosts(d)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	do(known.Put("a1", "ssh-ed25519 KA"))
	do(known.Put("b2", "ssh-ed25519 KB"))
	do(known.Name("a1", "web"))
	do(known.Name("a1", "web"))
	do(known.Name("b2", "db"))
	do(known.Name("c3", "none")) // whose key is not known
	wantLines(t, d, "a1 ssh-ed25519 KA", "b2 ssh-ed25519 KB", "web.vm ssh-ed25519 KA", "db.vm ssh-ed25519 KB")
	do(known.Name("a1", "front"))
	wantLines(t, d, "a1 ssh-ed25519 KA", "b2 ssh-ed25519 KB", "front.vm ssh-ed25519 KA", "db.vm ssh-ed25519 KB")
	do(known.Name("b2", "")) // deleted
	do(known.Name("a1", "db"))
	wantLines(t, d, "a1 ssh-ed25519 KA", "b2 ssh-ed25519 KB", "db.vm ssh-ed25519 KA")
	do(known.Put("a1", "ssh-ed25519 NEW"))
	do(known.Name("a1", "db"))
	wantLines(t, d, "a1 ssh-ed25519 NEW", "b2 ssh-ed25519 KB", "db.vm ssh-ed25519 NEW")
	do(known.Keep(map[string]string{"b2": "other"}))
	wantLines(t, d, "b2 ssh-ed25519 KB", "other.vm ssh-ed25519 KB")
}
