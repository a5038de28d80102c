package autostart

import (
	"os"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/confine"
)

// environment is what of this process's variables a daemon gets, which lives on
// for weeks with them: those that it reads, and those that pulls need. Whatever
// else the shell had, tokens say, is none of its business.
func environment() []string {
	kept := confine.Environment(
		os.Environ(),
		"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LC_*", "TZ", "TMPDIR", "XDG_*", "BANGER_*",
		// Of registries: the way there, whom to trust, and where the logins are.
		"HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
		"SSL_CERT_FILE", "SSL_CERT_DIR", "DOCKER_CONFIG", "REGISTRY_AUTH_FILE", "DBUS_SESSION_BUS_ADDRESS", "GNUPGHOME", "PASSWORD_STORE_DIR",
		// Of Go programs.
		"GODEBUG", "GOTRACEBACK", "GOCOVERDIR", "GOMAXPROCS",
	)
	return append(kept, api.ReadyEnv+"=3")
}
