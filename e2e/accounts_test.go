//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"

	"github.com/bangervm/banger/internal/vmm"
)

// account is the user a script runs as. A dedicated one runs nothing else, so
// every process of it is the script's.
type account struct {
	name      string
	uid, gid  int
	dedicated bool
	made      bool
	lock      *os.File
}

// accounts leases users to scripts. Run as root, it makes the users that it
// needs and removes them at the end; otherwise every script runs as the caller.
type accounts struct {
	mu   sync.Mutex
	idle []*account
	all  []*account
}

const maxAccounts = 32

func (a *accounts) lease(ctx context.Context) (*account, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if os.Geteuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return nil, err
		}
		return &account{name: u.Username, uid: os.Getuid(), gid: os.Getgid()}, nil
	}
	if n := len(a.idle); n > 0 {
		acct := a.idle[n-1]
		a.idle = a.idle[:n-1]
		return acct, nil
	}
	acct, err := makeAccount(ctx)
	if err != nil {
		return nil, err
	}
	a.all = append(a.all, acct)
	return acct, nil
}

// rootAccount is for scripts about what takes root. It is shared with all that root runs.
func rootAccount(context.Context) (*account, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("needs root")
	}
	return &account{name: "root"}, nil
}

func (a *accounts) release(acct *account) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if acct.dedicated {
		a.idle = append(a.idle, acct)
	}
}

// makeAccount takes the first user of the pool that no other run of this suite
// holds, and makes it if it is not there.
func makeAccount(ctx context.Context) (*account, error) {
	for i := range maxAccounts {
		name := "banger-e2e-" + strconv.Itoa(i)
		lock, err := os.OpenFile(filepath.Join(os.TempDir(), name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			_ = lock.Close()
			continue
		}
		acct := &account{name: name, dedicated: true, lock: lock}
		if _, err := user.Lookup(name); err != nil {
			out, err := exec.CommandContext(ctx, "useradd", "--no-create-home", "--home-dir", "/nonexistent",
				"--shell", "/bin/sh", "--user-group", name).CombinedOutput()
			if err != nil {
				return nil, fmt.Errorf("useradd %s: %w: %s", name, err, out)
			}
			acct.made = true
		}
		u, err := user.Lookup(name)
		if err != nil {
			return nil, err
		}
		if acct.uid, err = strconv.Atoi(u.Uid); err != nil {
			return nil, err
		}
		if acct.gid, err = strconv.Atoi(u.Gid); err != nil {
			return nil, err
		}
		return acct, nil
	}
	return nil, fmt.Errorf("all %d test users are taken by other runs", maxAccounts)
}

func (a *accounts) close(ctx context.Context) {
	for _, acct := range a.all {
		if acct.made {
			if out, err := exec.CommandContext(ctx, "userdel", acct.name).CombinedOutput(); err != nil {
				fmt.Fprintf(os.Stderr, "e2e: userdel %s: %v: %s\n", acct.name, err, out)
			}
		}
		_ = os.Remove(acct.lock.Name())
		_ = acct.lock.Close()
	}
}

// command prepares a command that runs as the account, in a process group of
// its own, with a home directory and an environment that hold nothing else.
func (acct *account) command(ctx context.Context, base string, argv ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Dir = base
	cmd.Env = []string{
		"HOME=" + filepath.Join(base, "home"),
		"BANGER_CONSOLE=true", // for what fails, and for scripts that read logs
		"XDG_RUNTIME_DIR=" + filepath.Join(base, "run"),
		"TMPDIR=" + filepath.Join(base, "tmp"),
		"PATH=" + filepath.Join(theSuite.dir, "bin") + ":/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		"USER=" + acct.name, "LOGNAME=" + acct.name, "LANG=C.UTF-8", "NO_COLOR=1",
		envSlowness + "=" + os.Getenv(envSlowness),
	}
	for _, key := range givenVariables() {
		if value := os.Getenv(key); value != "" {
			cmd.Env = append(cmd.Env, key+"="+value)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if acct.dedicated {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(acct.uid), Gid: uint32(acct.gid), Groups: kvmGroups()}
	}
	return cmd
}

// givenVariables are the settings that the harness is given, or makes, for every script.
func givenVariables() []string {
	return []string{"BANGER_DRIVER", "BANGER_QEMU", "BANGER_FIRECRACKER_BIN", envReady}
}

// kvmGroups is the group that may use /dev/kvm, as an ordinary user of it is in; none
// where root alone may.
func kvmGroups() []uint32 {
	var device syscall.Stat_t
	if err := syscall.Stat(vmm.KVMDevice, &device); err != nil || device.Gid == 0 || device.Mode&0o060 != 0o060 {
		return nil
	}
	return []uint32{device.Gid}
}

// makeBase makes a script's directory with a fresh home in it.
func (acct *account) makeBase(base string) error {
	for dir, mode := range map[string]os.FileMode{
		"": 0o755, "home": 0o700, "run": 0o700, "tmp": 0o700, "work": 0o755, "small": 0o700,
	} {
		path := filepath.Join(base, dir)
		if err := os.MkdirAll(path, mode); err != nil {
			return err
		}
		if err := os.Chown(path, acct.uid, acct.gid); err != nil {
			return err
		}
	}
	return nil
}
