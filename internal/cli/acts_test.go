package cli

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/acttest"
	"github.com/bangervm/banger/internal/act/cmdline"
)

// typedActs is each verb, without options and with each that it takes.
func typedActs(subject, session string) []act.Act {
	var acts []act.Act
	for _, v := range acttest.Verbs() {
		acts = append(acts, act.Act{Verb: v, Subject: subject, Session: session})
		for _, o := range acttest.Options(v) {
			acts = append(acts, act.Act{Verb: v, Subject: subject, Session: session, Options: []act.Option{o}})
		}
	}
	return acts
}

// Every act is a command that exists, with flags and as many arguments as it takes.
func TestActsParse(t *testing.T) {
	if cmdline.Verbs() != len(acttest.Verbs()) {
		t.Errorf("there are %d verbs, and lines for %d", len(acttest.Verbs()), cmdline.Verbs())
	}
	for _, a := range slices.Concat(typedActs("web", "s1"), typedActs("", "")) {
		line := cmdline.Line(a)
		words := strings.Fields(strings.ReplaceAll(line, "SIZE", "1GiB"))
		if words[0] != "banger" {
			t.Errorf("%s has no command line", a)
			continue
		}
		if err := parses(words[1:]); err != nil {
			t.Errorf("%s: %q: %v", a, line, err)
		}
	}
}

func parses(words []string) error {
	cmd, rest, err := (&App{}).rootCommand().Find(words)
	if err != nil {
		return err
	}
	if cmd.HasSubCommands() {
		return unknownCommand(cmd, strings.Join(rest, " "))
	}
	if err := cmd.ParseFlags(rest); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}

func TestParsesRefuses(t *testing.T) {
	for _, line := range []string{"vm begin web", "vm start --nonsense web", "daemon logs web", "vm session stop web"} {
		if parses(strings.Fields(line)) == nil {
			t.Errorf("%q parses", line)
		}
	}
}

func TestCommandLine(t *testing.T) {
	for want, a := range map[string]act.Act{
		"banger daemon stop --force":                     act.DaemonStop.Do(act.Force),
		"banger vm rm --force --discard-work web":        act.VMDelete.On("web", act.Force, act.DiscardWork),
		"banger vm rm NAME":                              act.VMDelete.On(""),
		"banger vm session stop web SESSION":             act.SessionStop.On("web", ""),
		"banger kernel import k --from DIR":              act.KernelImport.On("k"),
		"banger vm start 'a b;$(id)'":                    act.VMStart.On("a b;$(id)"),
		"banger image rm -- --all":                       act.ImageDelete.On("--all"),
		"banger image pull registry.example/a@sha256:0":  act.ImagePull.On("registry.example/a@sha256:0"),
		"vm levitate web (slowly)":                       {Verb: "vm.levitate", Subject: "web", Options: []act.Option{"slowly"}},
		"banger vm start " + cmdline.Quoted("it's") + "": act.VMStart.On("it's"),
		"banger image pull --name NAME REF":              act.ImagePull.On("", act.Name),
		"banger vm set --memory SIZE web":                act.VMSet.On("web", act.Memory),
		"banger image pull --replace --name base a:1":    act.ImagePull.On("a:1", act.Replace, act.Name).To("base"),
		"banger image tag --replace debian base":         act.ImageTag.On("debian", act.Replace).To("base"),
		"banger vm commit box IMAGE":                     act.VMCommit.On("box"),
		"banger vm create --network user":                act.VMCreate.Do(act.UserNetwork),
		"banger vm workspace prepare --force web":        act.WorkspacePrepare.On("web", act.Force),
		"banger vm exec web -- CMD":                      act.VMExec.On("web"),
		"banger vm cp SRC DST":                           act.VMCopy.Do(),
		"banger vm session rm -- -x '*'":                 act.SessionDelete.On("-x", "*"),
	} {
		if got := cmdline.Line(a); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// A shell reads what came from outside as one word, whatever it is.
func TestActsAreQuotedForAShell(t *testing.T) {
	for _, name := range []string{"a b", "$(touch x)", "`id`", "a;b", "a\nb", "it's", `"`, "*", "~", "-x", "a>b", "!!", "#c", "\\"} {
		words := strings.TrimPrefix(cmdline.Line(act.VMStart.On(name)), "banger vm start ")
		out, err := exec.CommandContext(t.Context(), "sh", "-c", `printf '%s\0' `+words).Output()
		got := strings.TrimPrefix(string(out), "--\x00")
		if err != nil || got != name+"\x00" {
			t.Errorf("%q as %s became %q, %v", name, words, got, err)
		}
	}
}
