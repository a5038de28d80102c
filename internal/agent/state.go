package agent

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/agent/account"
	"github.com/bangervm/banger/internal/agent/command"
	"github.com/bangervm/banger/internal/agent/configure"
	"github.com/bangervm/banger/internal/agent/inits"
	"github.com/bangervm/banger/internal/agent/pid1"
	"github.com/bangervm/banger/internal/agentrpc"
)

// saved is what an agent leaves to one that replaces it, in a memory file that
// both inherit.
type saved struct {
	Started    bool        `json:"started"`
	Configured bool        `json:"configured"`
	Generation string      `json:"generation,omitempty"` // Configure's
	Init       inits.Found `json:"init"`
	Token      string      `json:"token"`
	HostKey    string      `json:"host_key"`
	Keys       []string    `json:"keys"`
	Env        []string    `json:"env"`
	WorkingDir string      `json:"working_dir"`
	User       string      `json:"user,omitempty"`
	Notes      []string    `json:"notes,omitempty"`
	// EndsByReset is Configure's.
	EndsByReset bool `json:"ends_by_reset,omitempty"`
	// Program is what the agent runs, if it has a restart policy, and ProgramPID its
	// process, the leader of a group.
	Program    agentrpc.Program `json:"program,omitzero"`
	ProgramPID int              `json:"program_pid,omitempty"`
}

func savedFrom(cfg *agentrpc.Configure, result configure.Result) saved {
	program := cfg.Program
	if cfg.Init.Rescue || result.Init.Argv != nil { // it is PID 1
		program = agentrpc.Program{}
	}
	return saved{
		Program:    program,
		Configured: true, Generation: cfg.Generation, EndsByReset: cfg.EndsByReset, Init: result.Init, Notes: result.Notes,
		Token: cfg.Token, HostKey: cfg.HostKey, Keys: cfg.AuthorizedKeys, Env: cfg.Env, WorkingDir: cfg.WorkingDir, User: cfg.User,
	}
}

// commands is what the image and the VM say of commands.
func (s saved) commands() command.Defaults {
	return command.Defaults{Env: s.Env, Dir: s.WorkingDir, User: s.User}
}

// initProgram is how PID 1 becomes the image's init: as the image says where its
// command names the init, else bare.
func (s saved) initProgram() *pid1.Exec {
	e := &pid1.Exec{
		Path: s.Init.Path, Argv: []string{s.Init.Path}, Dir: "/",
		Env: []string{"HOME=/", "TERM=linux", "PATH=" + command.DefaultPath},
	}
	if s.Init.Argv == nil {
		return e
	}
	e.Argv, e.Dir = s.Init.Argv, s.commands().WorkingDir()
	e.Env = s.commands().Environ(account.Account{Name: "root", Home: "/root", Shell: "/bin/sh"}, []string{"TERM=linux"})
	if s.Init.Flavour == inits.Systemd {
		// Images say so for engines; in a VM systemd would leave devices and mounts alone.
		e.Env = slices.DeleteFunc(e.Env, func(kv string) bool { return strings.HasPrefix(kv, "container=") })
	}
	return e
}

// load reads what the agent before left; a fresh file is a zero state.
func load(f *os.File) (saved, error) {
	var s saved
	data, err := io.ReadAll(io.NewSectionReader(f, 0, agentrpc.MaxLine))
	if err == nil && len(data) > 0 {
		err = json.Unmarshal(data, &s)
	}
	if err != nil {
		return saved{}, fmt.Errorf("read the agent's state: %w", err)
	}
	return s, nil
}

// save replaces the content of f.
func save(f *os.File, s saved) error {
	data, err := json.Marshal(s)
	if err == nil {
		err = f.Truncate(0)
	}
	if err == nil {
		_, err = f.WriteAt(data, 0)
	}
	if err != nil {
		return fmt.Errorf("save the agent's state: %w", err)
	}
	return nil
}
