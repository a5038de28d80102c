package gitrepo

import (
	"bufio"
	"context"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
)

// Bounds of what is looked at, and of what is said of it. Beyond them there is a
// note that not all was looked at.
const (
	maxAttributeFiles = 200      // changed files of attributes
	maxAttributeNotes = 20       // lines that are named, of all files
	maxAttributeLine  = 16 << 10 // bytes; git takes 2,048
	maxKnownLines     = 1 << 20  // bytes of lines that were there before
	maxMacros         = 1000
)

// assigns are the attributes by which git runs programs of the user's, or writes
// other bytes than those of the patch.
var assigns = regexp.MustCompile(`(?:^|\s)(filter|diff|merge|working-tree-encoding)=`)

func meaningOf(attribute string) string {
	switch attribute {
	case "filter":
		return "makes git run a filter, if you have one with that name"
	case "working-tree-encoding":
		return "makes git write bytes that differ from the patch"
	default:
		return "makes git " + attribute + " run a program, if you have one with that name"
	}
}

// attention says what a patch does that is easily overlooked: which of the
// user's programs run on which files, and in which encoding these are written,
// is said by files in the tree.
func (w *writer) attention(ctx context.Context) error {
	out, err := w.git.Output(ctx, gittree.Cmd{Args: []string{
		"diff-tree", "-r", "-z", "--no-renames", "--raw", w.req.Base, w.req.Tree, "--", ":(top,glob)**/.gitattributes",
	}})
	if err != nil {
		return err
	}
	news := &attributes{macros: map[string]string{}}
	if err := w.readMacros(ctx, news); err != nil {
		return err
	}
	for items := gittree.Split(out); len(items) > 1; items = items[2:] {
		meta := strings.Fields(items[0])
		if len(meta) < 5 || meta[4] == "D" {
			continue
		}
		if news.files++; news.files > maxAttributeFiles || len(news.notes) == maxAttributeNotes {
			news.more = true
			break
		}
		if err := w.compareAttributes(ctx, news, items[1], meta[2], meta[3]); err != nil {
			return err
		}
	}
	for _, note := range news.notes {
		w.note("%s", note)
	}
	if news.more {
		w.note("other lines of .gitattributes files make git run programs or write different bytes, or were not checked")
	}
	return nil
}

// attributes are what is found in files of attributes.
type attributes struct {
	files  int
	macros map[string]string // of the top's file, with what they mean
	notes  []string
	more   bool
}

// readMacros finds names that stand for attributes of which we tell. Only the
// file at the top may define them.
func (w *writer) readMacros(ctx context.Context, news *attributes) error {
	id, err := w.line(ctx, nil, "rev-parse", "-q", "--verify", w.req.Tree+":.gitattributes")
	if _, ok := hostgit.AsError(err); ok {
		return nil // there is none
	}
	if err != nil {
		return err
	}
	return w.eachLine(ctx, id, func(line string, _ bool) {
		name, isMacro := strings.CutPrefix(line, "[attr]")
		if meaning := news.meaning(line); isMacro && meaning != "" && len(news.macros) < maxMacros {
			name, _, _ = strings.Cut(strings.ReplaceAll(name, "\t", " "), " ")
			news.macros[name] = meaning
		}
	})
}

// meaning says what a line makes git do; empty: nothing of which we tell.
func (a *attributes) meaning(line string) string {
	if line == "" || line[0] == '#' {
		return ""
	}
	var means []string
	for _, match := range assigns.FindAllStringSubmatch(line, -1) {
		means = append(means, meaningOf(match[1]))
	}
	for word := range strings.FieldsSeq(line) {
		if meaning := a.macros[word]; meaning != "" {
			means = append(means, meaning)
		}
	}
	slices.Sort(means)
	return strings.Join(slices.Compact(means), ", and ")
}

// compareAttributes notes the lines of a file that it did not have.
func (w *writer) compareAttributes(ctx context.Context, news *attributes, path, was, now string) error {
	known, size := map[string]bool{}, 0
	err := w.eachLine(ctx, was, func(line string, _ bool) {
		if news.meaning(line) != "" && size+len(line) <= maxKnownLines {
			known[line] = true
			size += len(line)
		}
	})
	if err != nil {
		return err
	}
	return w.eachLine(ctx, now, func(line string, isLong bool) {
		meaning := news.meaning(line)
		switch {
		case isLong:
			news.more = true
		case meaning == "" || known[line]:
		case len(news.notes) == maxAttributeNotes:
			news.more = true
		default:
			known[line] = true
			news.notes = append(news.notes, hostgit.Printable(path)+" "+meaning+": "+hostgit.Printable(line))
		}
	})
}

// eachLine visits the lines of a file, those that are too long to be read cut off.
func (w *writer) eachLine(ctx context.Context, id string, visit func(line string, isLong bool)) error {
	if strings.Trim(id, "0") == "" {
		return nil
	}
	read, write := io.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r := bufio.NewReaderSize(read, maxAttributeLine)
		for {
			raw, isLong, err := r.ReadLine()
			if err != nil {
				return
			}
			visit(strings.TrimSpace(string(raw)), isLong)
			for isLong && err == nil {
				_, isLong, err = r.ReadLine()
			}
		}
	}()
	err := w.git.Run(ctx, gittree.Cmd{Stdout: write, Args: []string{"cat-file", "blob", id}})
	err = errors.Join(err, write.Close())
	<-done
	return err
}
