package cli

import (
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/plain"
)

// echo says on stderr what a patch on stdout is.
func (a *App) echo(e api.Export) {
	a.say("base " + e.BaseCommit)
	for _, f := range e.Files {
		a.say(fileLine(f))
	}
	a.say(changesText(e))
	for _, note := range e.Notes {
		a.say("note: " + plain.Line(note, maxShown))
	}
}

func fileLine(f api.ExportedFile) string {
	letter := strings.ToUpper(f.Status[:1])
	name := plain.Line(f.Path, maxShown)
	if f.From != "" {
		name = plain.Line(f.From, maxShown) + " -> " + name
	}
	if f.Binary {
		return letter + " " + name + " (binary)" + becomes(f)
	}
	return letter + " " + name + " +" + strconv.FormatInt(f.Insertions, 10) + " -" + strconv.FormatInt(f.Deletions, 10) + becomes(f)
}

// becomes says what else changes than the content.
func becomes(f api.ExportedFile) string {
	switch {
	case f.Mode == f.OldMode:
		return ""
	case f.Mode == "100755":
		return " (executable)"
	case f.Mode == "120000":
		return " (symbolic link)"
	case f.Mode == "160000":
		return " (submodule)"
	case f.Mode == "100644" && f.OldMode == "100755":
		return " (not executable)"
	}
	return ""
}

func changesText(e api.Export) string {
	if e.FileCount == 0 {
		return "no changes"
	}
	return fault.Count(e.FileCount, "file") + " changed, +" + strconv.FormatInt(e.Insertions, 10) + " -" + strconv.FormatInt(e.Deletions, 10)
}
