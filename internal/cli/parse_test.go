package cli

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func TestSplitSSHArgs(t *testing.T) {
	for _, c := range []struct{ given, options, command string }{
		{"", "", ""},
		{"-v", "-v", ""},
		{"-L 80:x:80 -N", "-L 80:x:80 -N", ""},
		{"-L80:x:80 uptime", "-L80:x:80", "uptime"},
		{"-vvL 80:x:80 ls -la", "-vvL 80:x:80", "ls -la"},
		{"-o ForwardAgent=yes -- ls -A", "-o ForwardAgent=yes", "ls -A"},
		{"-tA top", "-tA", "top"},
		{"-- -x", "", "-x"},
	} {
		options, command := splitSSHArgs(strings.Fields(c.given))
		if got := strings.Join(options, " ") + "|" + strings.Join(command, " "); got != c.options+"|"+c.command {
			t.Errorf("%q: got %q", c.given, got)
		}
	}
}

func TestProxyCommandQuotes(t *testing.T) {
	if got, want := proxyCommand("/a b/it's 100%/banger", "00aa"), `'/a b/it'\''s 100%%/banger' vm proxy -- '00aa'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := sshPath(`/a "b"/50%`), `"/a \"b\"/50%%"`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// An answer that is not bangerd's gets no word into a shell.
func TestPlainForSSH(t *testing.T) {
	const id = "0123456789abcdef"
	good := api.VM{ID: id, Name: "box-2"}
	access := api.SSHAccess{User: "root", HostAlias: id}
	if err := plainForSSH(good, access); err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"", "$(id>/tmp/x)", "`id`", "a;b", "a'b", "-oProxyCommand=id", "a b", "a\nb", "%h", "ÄBC", "../x", id[:15] + "\n", id + "0'"} {
		for what, bad := range map[string]struct {
			v      api.VM
			access api.SSHAccess
		}{
			"id":    {api.VM{ID: word, Name: "box"}, api.SSHAccess{User: "root", HostAlias: word}},
			"name":  {api.VM{ID: id, Name: word}, access},
			"alias": {good, api.SSHAccess{User: "root", HostAlias: word}},
			"user":  {good, api.SSHAccess{User: word, HostAlias: id}},
		} {
			if err := plainForSSH(bad.v, bad.access); !errors.Is(err, fault.Internal) {
				t.Errorf("%s %q: %v", what, word, err)
			}
		}
		// ssh has the command run by the user's shell, which must see one word.
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf '<%s>' "+strings.ReplaceAll(shellQuoted(word), "%%", "%")).Output()
		if err != nil || string(out) != "<"+word+">" {
			t.Errorf("%q: a shell's word is %q, %v", word, out, err)
		}
	}
}

func TestCountCPUs(t *testing.T) {
	for list, want := range map[string]int{"0": 1, "0-3": 4, "0-3,6": 5, "0,2-3,8-9": 5, "": 0, "x": 0, "3-1": 0, "0-": 0} {
		if got := countCPUs(list); got != want {
			t.Errorf("%q: %d, want %d", list, got, want)
		}
	}
}

func TestParsePlace(t *testing.T) {
	for text, want := range map[string]place{
		"box:/etc": {"box", "/etc"}, "box:": {"box", "."}, "./a:b": {"", "./a:b"}, "a": {"", "a"}, ":x": {"", ":x"}, "-": {"", "-"}, "/a:b": {"", "/a:b"},
	} {
		if got := parsePlace(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func TestExitStatus(t *testing.T) {
	for code, want := range map[fault.Code]int{
		fault.NotFound: 3, fault.Conflict: 4, fault.Busy: 4, fault.Invalid: 5, fault.Unavailable: 6,
		fault.PermissionDenied: 7, fault.Canceled: 130, fault.Internal: 1, "of a later version": 1,
	} {
		if got := exitStatus(fmt.Errorf("x: %w", fault.New(code, "y"))); got != want {
			t.Errorf("%s: %d, want %d", code, got, want)
		}
		wantOwn := 125
		if code == fault.Canceled {
			wantOwn = 130
		}
		if got := exitStatus(ownFailure(fault.New(code, "y"))); got != wantOwn {
			t.Errorf("own failure %s: %d, want %d", code, got, wantOwn)
		}
	}
}
