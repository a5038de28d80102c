package cli

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"testing"
)

// usageOf is the usage error that a command line ends with.
func usageOf(t *testing.T, words ...string) *usageError {
	t.Helper()
	app := testApp()
	root := app.rootCommand()
	root.SetArgs(words)
	root.SetOut(io.Discard)
	root.SetErr(&bytes.Buffer{})
	err := cmp.Or(root.Execute(), app.misnamed)
	usage, ok := errors.AsType[*usageError](err)
	if !ok || exitStatus(err) != statusUsage {
		t.Fatalf("banger %v: %v (exit status %d), want a usage error", words, err, exitStatus(err))
	}
	return usage
}

// TestWordsOfOtherTools: what people type who know docker, podman, git, ssh,
// kubectl, vagrant or virsh leads to the command here.
func TestWordsOfOtherTools(t *testing.T) {
	for _, test := range []struct {
		typed []string
		hint  string
	}{
		{[]string{"ps"}, "banger ls"},
		{[]string{"ps", "-a"}, "banger ls"},
		{[]string{"list"}, "banger ls"},
		{[]string{"get", "vms"}, "banger ls"},
		{[]string{"inspect", "box"}, "banger vm show NAME"},
		{[]string{"describe", "box"}, "banger vm show NAME"},
		{[]string{"rename", "a", "b"}, "banger vm rename OLD NEW"},
		{[]string{"mv", "a", "b"}, "banger vm rename OLD NEW"},
		{[]string{"console", "box"}, "banger logs NAME"},
		{[]string{"shell", "box"}, "banger ssh NAME [SSH FLAGS] [[--] CMD [ARG...]]"},
		{[]string{"up"}, "banger vm start NAME..."},
		{[]string{"down"}, "banger vm stop NAME..."},
		{[]string{"halt"}, "banger vm stop NAME..."},
		{[]string{"reboot", "box"}, "banger vm restart NAME..."},
		{[]string{"suspend", "box"}, "banger vm suspend NAME..."},
		{[]string{"unpause", "box"}, "banger vm resume NAME..."},
		{[]string{"cp", "-r", "src", "box:"}, "banger vm cp SRC... DST"},
		{[]string{"scp", "src", "box:"}, "banger vm cp SRC... DST"},
		{[]string{"remove", "box"}, "banger rm NAME..."},
		{[]string{"destroy", "-f", "box"}, "banger rm NAME..."},
		{[]string{"rmi", "debian"}, "banger image delete NAME..."},
		{[]string{"images"}, "banger image list"},
		{[]string{"pull", "debian"}, "banger image pull REF"},
		{[]string{"load", "-i", "f"}, "banger image pull REF"},
		{[]string{"import", "f"}, "banger image pull tar:FILE"},
		{[]string{"create"}, "banger vm create [NAME]"},
		{[]string{"attach", "box"}, "banger vm session attach NAME SESSION"},
		{[]string{"sessions"}, "banger vm session --help"},
		{[]string{"export", "box"}, "banger vm workspace export NAME"},
		{[]string{"diff", "box"}, "banger vm workspace export NAME"},
		{[]string{"allow", "box", "example.org"}, "banger vm egress allow NAME TARGET [PROTOCOL[/PORTS]]"},
		{[]string{"port-forward", "box", "80:80"}, "banger vm forward NAME [FORWARD]"},
		{[]string{"status"}, "banger daemon status"},
		{[]string{"login"}, "banger uses the credentials of `docker login`"},
		{[]string{"PS"}, "banger ls"},
		{[]string{"vm", "ps", "-a"}, "banger vm list"},
		{[]string{"vm", "shell", "box"}, "banger vm ssh NAME [SSH FLAGS] [[--] CMD [ARG...]]"},
		{[]string{"vm", "login", "box"}, "banger vm ssh NAME [SSH FLAGS] [[--] CMD [ARG...]]"},
		{[]string{"image", "inspect", "debian"}, "banger image show NAME"},
		{[]string{"image", "rmi", "debian"}, "banger image delete NAME..."},
		{[]string{"kernel", "install"}, "banger kernel import NAME --from DIR"},
		{[]string{"vm", "session", "ps"}, "banger vm session list NAME"},
		{[]string{"vm", "workspace", "diff", "box"}, "banger vm workspace export NAME"},
		{[]string{"vm", "egress", "describe", "box"}, "banger vm egress show NAME"},
		{[]string{"vm", "pull", "debian"}, "banger image pull REF"},
		{[]string{"vm", "lsit"}, "did you mean banger vm list?"},
		{[]string{"lss"}, "did you mean banger ls?"},
		{[]string{"vm", "session", "atach"}, "did you mean banger vm session attach?"},
		{[]string{"daemon", "sotp"}, "did you mean banger daemon stop?"},
		{[]string{"frobnicate"}, "banger --help"},
		{[]string{"bogus"}, "banger --help"},
		{[]string{"vm", "fowrad"}, "did you mean banger vm forward?"},
		{[]string{"session", "--help"}, "banger vm session --help"},
		{[]string{"vm", "lsit", "-h"}, "did you mean banger vm list?"},
		{[]string{"--help", "images"}, "banger image list"},
		{[]string{"config", "set", "driver", "qemu"}, "edit config.toml; `banger config path` prints its path"},
		{[]string{"config", "set", "--help"}, "edit config.toml; `banger config path` prints its path"},
		{[]string{"config", "get", "driver"}, "banger config show"},
		{[]string{"vm", "session", "frobnicate", "-x"}, "banger vm session --help"},
		{[]string{"completion", "powershell"}, "banger completion --help"},
		{[]string{"help", "vm", "creat"}, "did you mean banger vm create?"},
	} {
		if got := usageOf(t, test.typed...); got.hint != test.hint {
			t.Errorf("banger %v: hint %q, want %q", test.typed, got.hint, test.hint)
		}
	}
}
