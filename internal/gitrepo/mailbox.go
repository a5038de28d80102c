package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
)

// mbox writes each commit as a mail.
func (w *writer) mbox(ctx context.Context, out *os.File) error {
	tip, err := w.tip(ctx)
	if err != nil {
		return err
	}
	merges, err := w.line(ctx, nil, "rev-list", "--count", "--merges", w.req.Base+".."+tip)
	if err != nil {
		return err
	}
	if merges != "0" { // a mailbox cannot hold them
		w.note("there are merges: all changes are one commit")
		w.req.Head = ""
		if tip, err = w.tip(ctx); err != nil {
			return err
		}
	}
	if tip, err = w.plainMessages(ctx, tip); err != nil {
		return err
	}
	commits, err := w.line(ctx, nil, "rev-list", w.req.Base+".."+tip)
	if err != nil || commits == "" {
		return err
	}
	how, err := renames(ctx, w.git, commits+"\n", "--stdin")
	if err != nil {
		return err
	}
	returns := &crlf{}
	err = w.git.Run(ctx, gittree.Cmd{Stdout: io.MultiWriter(out, returns), Args: []string{
		"format-patch", "--stdout", "--binary", "--full-index", how, "--no-ext-diff", "--no-textconv", "--no-color", "--no-signature",
		"--src-prefix=a/", "--dst-prefix=b/", w.req.Base + ".." + tip,
	}})
	if returns.seen {
		w.note("there are lines that end in CR LF: git am needs --keep-cr")
	}
	return err
}

// plainMessages returns a commit like tip whose messages, and those of the
// commits from the base on, have no line that git am takes for the beginning
// of a patch or of another mail: what is applied would be another change than
// the one that is shown.
func (w *writer) plainMessages(ctx context.Context, tip string) (string, error) {
	list, err := w.line(ctx, nil, "rev-list", "--reverse", "--topo-order", w.req.Base+".."+tip)
	if err != nil {
		return "", err
	}
	parent, changed := "", 0
	for id := range strings.FieldsSeq(list) {
		raw, err := w.git.Output(ctx, gittree.Cmd{Args: []string{"cat-file", "commit", id}})
		if err != nil {
			return "", err
		}
		header, message, _ := bytes.Cut(raw, []byte("\n\n"))
		plain := plainMessage(message)
		if !bytes.Equal(plain, message) {
			changed++
		}
		if changed == 0 {
			continue
		}
		if parent != "" {
			header = withParent(header, parent)
		}
		out, err := w.git.Output(ctx, gittree.Cmd{
			Stdin: io.MultiReader(bytes.NewReader(header), strings.NewReader("\n\n"), bytes.NewReader(plain)),
			Args:  []string{"hash-object", "-t", "commit", "-w", "--stdin"},
		})
		if err != nil {
			return "", err
		}
		parent = strings.TrimSpace(string(out))
	}
	if changed == 0 {
		return tip, nil
	}
	w.note("lines in the messages of %d commits look like a patch to git am: they are indented", changed)
	return parent, nil
}

// withParent replaces the only parent of a commit's header.
func withParent(header []byte, parent string) []byte {
	lines := bytes.SplitAfter(header, []byte("\n"))
	for i, line := range lines {
		if bytes.HasPrefix(line, []byte("parent ")) {
			lines[i] = fmt.Appendf(nil, "parent %s\n", parent)
			break
		}
	}
	return bytes.Join(lines, nil)
}

// plainMessage indents the lines that git mailinfo and mailsplit stop at.
func plainMessage(message []byte) []byte {
	var out []byte
	for line := range bytes.Lines(message) {
		dashes, ok := bytes.CutPrefix(line, []byte("---"))
		if ok = ok && (len(dashes) == 0 || dashes[0] <= ' '); !ok {
			for _, mark := range []string{"diff -", "Index: ", "From "} {
				ok = ok || bytes.HasPrefix(line, []byte(mark))
			}
		}
		if ok {
			out = append(out, ' ')
		}
		out = append(out, line...)
	}
	return out
}

// crlf sees whether lines end in CR LF.
type crlf struct{ seen, cr bool }

func (c *crlf) Write(p []byte) (int, error) {
	if len(p) > 0 {
		c.seen = c.seen || c.cr && p[0] == '\n' || bytes.Contains(p, []byte("\r\n"))
		c.cr = p[len(p)-1] == '\r'
	}
	return len(p), nil
}
