package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
)

// gitApply is what applies a patch to the work tree source, typed where the
// user is: below its top, git apply leaves out what is not below that place,
// and does not say so.
func gitApply(source string) string {
	if below(source) == "" {
		return "git apply"
	}
	return "git -C " + cmdline.Word(source) + " apply"
}

// below is where the user is below the top of a work tree: slash-separated,
// with a slash at its end. Empty: at the top, or somewhere else.
func below(top string) string {
	if top == "" {
		return ""
	}
	dir, err := os.Getwd()
	if err != nil {
		return ""
	}
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	if real, err := filepath.EvalSymlinks(top); err == nil {
		top = real
	}
	rel, err := filepath.Rel(top, dir)
	if err != nil || rel == "." || rel == ".." || strings.HasPrefix(rel, "../") {
		return ""
	}
	return rel + "/"
}

// warnBelow says that git apply would leave out some of an export where the
// user is.
func (a *App) warnBelow(e api.Export) {
	dir, err := os.Getwd()
	if err != nil || e.Format != "patch" {
		return
	}
	top := gitRoot(dir)
	here := below(top)
	for _, f := range e.Files {
		if here != "" && (!strings.HasPrefix(f.Path, here) || f.From != "" && !strings.HasPrefix(f.From, here)) {
			a.say("note: run in " + here + ", git apply silently skips files outside it; use git -C " + cmdline.Word(top) + " apply")
			return
		}
	}
}
