package autostart

import (
	"slices"
	"testing"

	"github.com/bangervm/banger/internal/api"
)

func TestTheDaemonGetsNoSecretsOfTheShell(t *testing.T) {
	for name, gets := range map[string]bool{
		"PATH": true, "HOME": true, "XDG_STATE_HOME": true, "BANGER_QEMU": true, "LC_CTYPE": true, "https_proxy": true, "NO_PROXY": true,
		"ANTHROPIC_API_KEY": false, "AWS_SECRET_ACCESS_KEY": false, "GITHUB_TOKEN": false, "SSH_AUTH_SOCK": false, "LD_PRELOAD": false,
		"LD_LIBRARY_PATH": false, "HTTP_PROXY_PASSWORD": false,
	} {
		t.Setenv(name, "x")
		if got := slices.Contains(environment(), name+"=x"); got != gets {
			t.Errorf("%s: the daemon gets it: %v", name, got)
		}
	}
	if env := environment(); env[len(env)-1] != api.ReadyEnv+"=3" {
		t.Errorf("the environment ends in %q", env[len(env)-1])
	}
}
