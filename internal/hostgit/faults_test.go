package hostgit_test

import (
	"errors"
	"testing"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
)

func TestARepositoryOfAnotherUser(t *testing.T) {
	said := "fatal: detected dubious ownership in repository at '/src'\nTo add an exception for this directory, call:\n\n" +
		"\tgit config --global --add safe.directory /src\n"
	err := hostgit.Fault(&gittree.Error{Verb: "rev-parse", Status: 128, Stderr: said}, "read %s", "/src")
	if !errors.Is(err, fault.PermissionDenied) || err.Error() != "read /src: it belongs to another user, so git does not trust it" ||
		fault.HintOf(err).String() != "git config --global --add safe.directory /src" {
		t.Errorf("got %v (%s), hint %q", err, fault.CodeOf(err), fault.HintOf(err).String())
	}
}
