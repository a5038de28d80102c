package command

import (
	"fmt"
	"path"

	"github.com/bangervm/banger/internal/agent/account"
)

// Defaults are what the image's configuration, and the VM's, say of commands.
type Defaults struct {
	Env  []string // "K=V"
	Dir  string   // empty: "/"; a relative one is below it
	User string   // as account.Lookup takes it; empty: root
}

// WorkingDir is the directory in which commands start that name none: absolute
// and clean.
func (d Defaults) WorkingDir() string { return path.Join("/", d.Dir) }

// Spec is a command of the guest, as user (empty: the default one) in dir (empty:
// the default one). Each of env is laid over those before, and over the defaults.
// The error is a *StartError.
func (d Defaults) Spec(user, dir string, env ...[]string) (Spec, error) {
	if user == "" {
		user = d.User
	}
	a, err := account.Lookup("/", user)
	if err != nil {
		return Spec{}, &StartError{StatusCannotRun, err}
	}
	switch {
	case dir == "":
		dir = d.WorkingDir()
	case !path.IsAbs(dir):
		return Spec{}, &StartError{StatusCannotRun, fmt.Errorf("the working directory %q is not an absolute path", dir)}
	}
	return Spec{User: a, Dir: dir, Env: d.Environ(a, env...)}, nil
}

// Environ is the environment of a command of user a.
func (d Defaults) Environ(a account.Account, env ...[]string) []string {
	return Environ(a, append([][]string{d.Env}, env...)...)
}
