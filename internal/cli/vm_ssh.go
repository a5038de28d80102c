package cli

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/ids"
)

func (a *App) vmSSHCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "ssh NAME [SSH FLAGS] [[--] CMD [ARG...]]",
		Short: "Log in to a VM, or run a command, over SSH",
		Long: "Log in to a VM, or run a command in it, with this host's ssh. The VM needs no network and no SSH server.\n\n" +
			"Flags after NAME are passed to ssh. Use -A to forward your SSH agent. As usual with ssh, a shell in the VM parses\n" +
			"CMD; use `banger exec` to pass arguments unchanged.",
		Example: `  banger vm ssh box
  banger vm ssh box -L 8080:localhost:80
  banger vm ssh box -- uname -a`,
		DisableFlagsInUseLine: true,
		Args:                  args(1, -1, "the NAME of a VM"),
		ValidArgsFunction:     a.vmNames(1, api.VMRunning),
		RunE: func(cmd *cobra.Command, given []string) error {
			return a.vmSSH(cmd.Context(), given[0], given[1:])
		},
	}
	cmd.Flags().SetInterspersed(false)
	return cmd
}

func (a *App) vmSSH(ctx context.Context, name string, given []string) error {
	ssh, err := exec.LookPath("ssh")
	if err != nil {
		return fault.New(fault.Unavailable, "ssh is not installed").
			WithHint("run `sudo apt-get install openssh-client`, or use `banger exec -t %s sh`", name)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	c, err := a.daemon(ctx)
	if err != nil {
		return err
	}
	// One answer for the state and the name, so that ssh does not have to fail first.
	v, err := c.GetVM(ctx, name)
	if err != nil {
		return err
	}
	if v.State != api.VMRunning {
		return fault.New(fault.Conflict, "%s is %s, but ssh needs a running VM", v.Name, v.State).WithHint("%s", toRunning(v))
	}
	access, err := c.VMSSH(ctx, v.ID)
	if err != nil {
		return err
	}
	if err := plainForSSH(v, access); err != nil {
		return err
	}
	options, command := splitSSHArgs(given)
	status, err := a.runSSH(ctx, ssh, sshArgs(self, access, v, options, command), goesToBackground(options))
	if err != nil {
		return err
	}
	if len(command) == 0 && isTerminal(a.In) {
		a.remind(context.WithoutCancel(ctx), c, v)
	}
	if status != 0 {
		return &statusError{status: status}
	}
	return nil
}

func toRunning(v api.VM) string {
	if v.State == api.VMPaused {
		return "banger vm resume " + v.Name
	}
	return "banger vm start " + v.Name
}

// sshGrace is how long what an ended ssh printed may still come, when something
// that it left running holds its stdout.
const sshGrace = time.Second

// runSSH runs ssh with this process's stdio. Interrupts are ssh's to handle.
func (a *App) runSSH(ctx context.Context, ssh string, sshArgs []string, background bool) (status int, err error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), ssh, sshArgs...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = a.In, a.Out, a.Err
	if shown := a.screen(); isTerminal(a.Out) && !background {
		a.signals.outlive()
		cmd.Stdout, cmd.WaitDelay = shown.through(a.Out), sshGrace
		defer shown.leave()
	}
	release := a.signals.divert(func(sig os.Signal) {
		// The terminal sends SIGINT to ssh itself; SIGTERM comes to banger only.
		if cmd.Process != nil && sig != os.Interrupt {
			_ = cmd.Process.Signal(sig)
		}
	})
	defer release()
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return max(exit.ExitCode(), 1), nil
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return 0, err
}

// goesToBackground reports whether ssh's options have -f.
func goesToBackground(options []string) bool {
	for i := 0; i < len(options); i++ {
		letters := strings.TrimPrefix(options[i], "-")
		at := strings.IndexAny(letters, sshWithValue)
		if at >= 0 {
			if at == len(letters)-1 {
				i++ // the value is the next word
			}
			letters = letters[:at]
		}
		if strings.Contains(letters, "f") {
			return true
		}
	}
	return false
}

// sshWithValue are ssh's options that take a value.
const sshWithValue = "BbcDEeFIiJLlmOoPpQRSWw"

// sshArgs is ssh's command line. Its first value of an option wins, so what
// identifies the VM goes before the user's options, and mere defaults behind.
func sshArgs(self string, access api.SSHAccess, v api.VM, options, command []string) []string {
	list := []string{
		"-o", "ProxyCommand=" + proxyCommand(self, v.ID),
		"-o", "HostKeyAlias=" + access.HostAlias,
		"-o", "UserKnownHostsFile=" + sshPath(access.KnownHosts),
		"-o", "GlobalKnownHostsFile=/dev/null",
		"-o", "StrictHostKeyChecking=yes",
		"-o", "UpdateHostKeys=no",
		"-o", "CheckHostIP=no",
		"-o", "IdentityFile=" + sshPath(access.IdentityFile),
		"-o", "IdentitiesOnly=yes",
		"-o", "PreferredAuthentications=publickey",
	}
	list = append(list, options...)
	// Another host, or a VM before this one, may have had the name: its connection
	// must not be shared, and what the user's configuration says of it is not meant.
	list = append(list, "-o", "User="+access.User, "-o", "ForwardAgent=no", "-o", "ForwardX11=no", "-o", "ControlPath=none", "--", v.Name+".vm")
	return append(list, command...)
}

// proxyCommand is what the shell execs, after ssh has expanded percent signs.
func proxyCommand(self, id string) string {
	return shellQuoted(self) + " vm proxy -- " + shellQuoted(id)
}

// What ssh is told of a VM goes through a shell, a configuration's syntax and
// the user's own `Match exec`: only words that mean nothing there may.
var (
	plainWord = regexp.MustCompile(`^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$`)
	loginWord = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$`)
)

// plainForSSH refuses an answer of the daemon's that is not one of bangerd's.
func plainForSSH(v api.VM, access api.SSHAccess) error {
	switch {
	case !ids.Like(v.ID):
		return fault.New(fault.Internal, "the daemon returned an invalid VM ID: %q", v.ID)
	case !plainWord.MatchString(v.Name):
		return fault.New(fault.Internal, "the daemon returned an invalid VM name: %q", v.Name)
	case access.HostAlias != v.ID:
		return fault.New(fault.Internal, "the daemon returned the host keys of %q instead of %s", access.HostAlias, v.ID)
	case !loginWord.MatchString(access.User):
		return fault.New(fault.Internal, "the daemon returned an invalid user name: %q", access.User)
	}
	return nil
}

// shellQuoted is a word of a ProxyCommand.
func shellQuoted(word string) string {
	return strings.ReplaceAll(cmdline.Quoted(word), "%", "%%")
}

// sshPath writes a file name as ssh's configuration reads it.
func sshPath(path string) string {
	path = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "%", "%%").Replace(path)
	return `"` + path + `"`
}

// splitSSHArgs tells ssh's options from the command, which begins behind "--"
// or, as with ssh itself, with the first word that is no option.
func splitSSHArgs(given []string) (options, command []string) {
	for i := 0; i < len(given); i++ {
		arg := given[i]
		if arg == "--" {
			return given[:i], given[i+1:]
		}
		if len(arg) < 2 || arg[0] != '-' {
			return given[:i], given[i:]
		}
		// In a cluster such as -vL 80:x:80, the first letter with a value ends it.
		if at := strings.IndexAny(arg[1:], sshWithValue); at == len(arg)-2 {
			i++
		}
	}
	return given, nil
}

// remind says, after a session, that the VM still runs.
func (a *App) remind(ctx context.Context, c *client.Client, v api.VM) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	if _, err := c.VMHealth(ctx, v.ID); err != nil {
		return
	}
	a.say(v.Name + " is still running; stop it with: banger vm stop " + v.Name)
}
