package cli

import (
	"cmp"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/bangervm/banger/internal/sshkeys"
	"github.com/bangervm/banger/internal/statedir"
)

func (a *App) sshConfigCommand() *cobra.Command {
	var install, uninstall bool
	cmd := &cobra.Command{
		Use: "ssh-config", Short: "Set up ssh, scp, rsync and git for VMs",
		Long: "Print an SSH configuration that lets ssh, scp, rsync, git and editors reach VMs as NAME.vm. The VM needs no network and\n" +
			"no SSH server. Use --install to include it in ~/.ssh/config; then, for example, `rsync -a src/ box.vm:src/` works.",
		Example: `  banger ssh-config --install && ssh box.vm
  banger ssh-config --uninstall
  banger ssh-config > banger.conf && ssh -F banger.conf box.vm`,
		Args: args(0, 0, ""), ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if install && uninstall {
				return usagef(cmd, "--install and --uninstall cannot be used together")
			}
			dirs, err := statedir.FromEnv()
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			cfg, _, err := loadConfig()
			if err != nil {
				return err
			}
			key := cmp.Or(cfg.SSHKey, dirs.ClientKey())
			switch {
			case install:
				return a.installSSHConfig(dirs, sshConfig(self, key, dirs))
			case uninstall:
				return a.removeSSHConfig(dirs)
			default:
				return a.print(sshConfig(self, key, dirs))
			}
		},
	}
	cmd.Flags().BoolVar(&install, "install", false, "include the configuration in ~/.ssh/config")
	cmd.Flags().BoolVar(&uninstall, "uninstall", false, "remove the configuration from ~/.ssh/config")
	return cmd
}

// sshConfig is the block for *.vm. In a ProxyCommand ssh runs a shell: the name,
// which may come from a git submodule, stands in quotes, and one with a quote in it
// is no VM's.
func sshConfig(self, key string, dirs statedir.Dirs) string {
	return strings.Join([]string{
		"# Virtual machines of banger: `banger ssh-config`.",
		`Host *.vm "!*'*"`,
		"    ProxyCommand " + shellQuoted(self) + " vm proxy -- '%h'",
		"    User root",
		"    IdentityFile " + sshPath(key),
		"    IdentitiesOnly yes",
		"    PreferredAuthentications publickey",
		"    UserKnownHostsFile " + sshPath(dirs.KnownHosts()),
		"    GlobalKnownHostsFile /dev/null",
		"    StrictHostKeyChecking yes",
		"    UpdateHostKeys no",
		"    CheckHostIP no",
		"    ControlPath none",
		"    ForwardAgent no",
		"    ForwardX11 no",
		"",
	}, "\n")
}

func (a *App) installSSHConfig(dirs statedir.Dirs, text string) error {
	file, err := a.userSSHConfig()
	if err != nil {
		return err
	}
	changed, err := sshkeys.InstallConfig(dirs, file, text)
	if err != nil {
		return err
	}
	if !changed {
		return a.print(file + " already includes " + dirs.SSHConfig() + ", which was updated\n")
	}
	return a.print(file + " now includes " + dirs.SSHConfig() + "\n\nlog in    ssh NAME.vm\nundo it   banger ssh-config --uninstall\n")
}

func (a *App) removeSSHConfig(dirs statedir.Dirs) error {
	file, err := a.userSSHConfig()
	if err != nil {
		return err
	}
	changed, err := sshkeys.RemoveConfig(dirs, file)
	if err != nil {
		return err
	}
	if !changed {
		return a.print(file + " does not include banger's configuration\n")
	}
	return a.print(file + " no longer includes banger's configuration\n")
}

// userSSHConfig is the user's own file. ssh goes by the user database, not by HOME.
func (a *App) userSSHConfig() (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil && filepath.Clean(u.HomeDir) != filepath.Clean(home) {
		a.say("note: ssh reads " + filepath.Join(u.HomeDir, ".ssh/config") + ", not $HOME/.ssh/config; use ssh -F")
	}
	return filepath.Join(home, ".ssh", "config"), nil
}
