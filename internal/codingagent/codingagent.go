// Package codingagent lists the coding agents that banger knows. The presets of files
// to place, the check for credentials before a session, the agent image, the egress
// presets and docs/agents.md all follow this list; its tests say where they differ.
package codingagent

import (
	"path"
	"slices"
)

// Agent is a coding agent.
type Agent struct {
	// Name is its program, and the preset of its files.
	Name string
	// Package is its npm package in the agent image.
	Package string
	// Files are its credentials and settings in the user's home, each "~/…".
	Files []string
	// Hosts are those of its provider's API and login.
	Hosts []string
	// Credentials is nil if it can work without any.
	Credentials *Credentials
	// Unneeded are the arguments with which it works without them.
	Unneeded []string
}

// Credentials are what an agent logs in with. One of them is enough.
type Credentials struct {
	Env   []string // variables
	Files []string // in the user's home, each "~/…"
}

// All are the agents, by name.
func All() []Agent {
	return []Agent{
		{
			Name: "claude", Package: "@anthropic-ai/claude-code",
			Files: []string{"~/.claude/.credentials.json", "~/.claude/settings.json", "~/.claude.json"},
			Hosts: []string{"api.anthropic.com", "claude.ai", "platform.claude.com"},
			Credentials: &Credentials{
				Env: []string{
					"ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN",
					"CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX", "CLAUDE_CODE_USE_FOUNDRY",
				},
				Files: []string{"~/.claude/.credentials.json"},
			},
			Unneeded: []string{"-h", "--help", "-v", "--version", "auth", "doctor", "install", "mcp", "setup-token", "update"},
		},
		{
			Name: "codex", Package: "@openai/codex",
			Files: []string{"~/.codex/auth.json", "~/.codex/config.toml"},
			Hosts: []string{"api.openai.com", "auth.openai.com", "chatgpt.com"},
			Credentials: &Credentials{
				Env:   []string{"CODEX_API_KEY", "OPENAI_API_KEY"},
				Files: []string{"~/.codex/auth.json"},
			},
			Unneeded: []string{"-h", "--help", "-V", "--version", "--oss", "completion", "features", "login", "logout", "mcp"},
		},
		{
			Name: "opencode", Package: "opencode-linux-x64-baseline",
			Files: []string{"~/.config/opencode", "~/.local/share/opencode/auth.json"},
			Hosts: []string{"opencode.ai", "models.dev"},
		},
		{
			Name: "pi", Package: "@earendil-works/pi-coding-agent",
			Files: []string{"~/.pi/agent/auth.json", "~/.pi/agent/settings.json", "~/.pi/agent/models.json"},
			Hosts: []string{"api.anthropic.com", "api.openai.com"},
		},
	}
}

// Names are the names of all agents, sorted.
func Names() []string {
	var names []string
	for _, a := range All() {
		names = append(names, a.Name)
	}
	slices.Sort(names)
	return names
}

// Named is the agent of that name.
func Named(name string) (Agent, bool) {
	all := All()
	at := slices.IndexFunc(all, func(a Agent) bool { return a.Name == name })
	if at < 0 {
		return Agent{}, false
	}
	return all[at], true
}

// NeededBy are the credentials without which command cannot work, or nil.
func NeededBy(command []string) *Credentials {
	if len(command) == 0 {
		return nil
	}
	a, ok := Named(path.Base(command[0]))
	if !ok || a.Credentials == nil {
		return nil
	}
	for _, arg := range command[1:] {
		if slices.Contains(a.Unneeded, arg) {
			return nil
		}
	}
	return a.Credentials
}
