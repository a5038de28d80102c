package gitrepo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
)

// mbox writes each commit as a mail.
func (w *writer) mbox(ctx context.Context, out *os.File) error {
	tip, err := w.tip(ctx)
	if err != nil {
		return err
	}
	if tip, err = w.straight(ctx, tip); err != nil {
		return err
	}
	if tip, err = w.plainCommits(ctx, tip); err != nil {
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
		w.note("some lines end in CR LF: git am needs --keep-cr")
	}
	return err
}

// straight returns one commit in the place of those that a mailbox cannot hold:
// merges, and very many.
func (w *writer) straight(ctx context.Context, tip string) (string, error) {
	for _, limit := range []struct {
		flag, note string
		most       int
	}{
		{"--merges", "there are merges, so all changes become one commit", 0},
		{"--no-merges", fmt.Sprintf("there are more than %d commits, so all changes become one commit", w.limits.Commits), w.limits.Commits},
	} {
		count, err := w.line(ctx, nil, "rev-list", "--count", limit.flag, fmt.Sprintf("--max-count=%d", limit.most+1), w.req.Base+".."+tip)
		if err != nil {
			return "", err
		}
		if count != "0" && (limit.most == 0 || count == fmt.Sprint(limit.most+1)) {
			w.note("%s", limit.note)
			w.req.Head = ""
			return w.tip(ctx)
		}
	}
	return tip, nil
}

// logFormat are the fields of a commit as format-patch will print them: all of
// it converted to UTF-8.
const logFormat = "%H%x00%T%x00%e%x00%an%x00%ae%x00%ad%x00%cn%x00%ce%x00%cd%x00%B"

// printed is a commit as git prints it.
type printed struct {
	id, tree, encoding string
	author, committer  person
	message            string
}

type person struct{ name, email, date string }

// plainCommits returns a commit like tip, with messages in which, as git prints
// them, no line is taken by git am for the beginning of a patch or of another
// mail: what is applied would be another change than the one that is shown.
func (w *writer) plainCommits(ctx context.Context, tip string) (string, error) {
	out, err := w.git.Output(ctx, gittree.Cmd{Args: []string{
		"log", "-z", "--reverse", "--topo-order", "--no-show-signature", "--no-notes", "--encoding=UTF-8", "--date=raw",
		"--format=" + logFormat, w.req.Base + ".." + tip,
	}})
	if err != nil {
		return "", err
	}
	const fields = 10
	items := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	parent, changed := "", 0
	for ; len(items) >= fields; items = items[fields:] {
		c := printed{
			id: items[0], tree: items[1], encoding: items[2],
			author: person{items[3], items[4], items[5]}, committer: person{items[6], items[7], items[8]}, message: items[9],
		}
		plain := c.plain()
		if plain != c || c.encoding != "" {
			changed++
		} else if changed == 0 {
			parent = c.id
			continue
		}
		if parent == "" {
			parent = w.req.Base
		}
		if parent, err = w.commit(ctx, plain, parent); err != nil {
			return "", err
		}
	}
	if changed == 0 {
		return tip, nil
	}
	commits := "1 commit"
	if changed > 1 {
		commits = fmt.Sprintf("%d commits", changed)
	}
	w.note("git am could mistake commit messages for patches or fail to read them, so banger changes those of %s", commits)
	return parent, nil
}

// commit writes a commit, without an encoding: it is UTF-8.
func (w *writer) commit(ctx context.Context, c printed, parent string) (string, error) {
	raw := fmt.Sprintf("tree %s\nparent %s\nauthor %s\ncommitter %s\n\n%s", c.tree, parent, c.author, c.committer, c.message)
	out, err := w.git.Output(ctx, gittree.Cmd{Stdin: strings.NewReader(raw), Args: []string{"hash-object", "-t", "commit", "-w", "--stdin"}})
	return strings.TrimSpace(string(out)), err
}

// maxMessage bounds a commit's message in a mailbox, in bytes.
const maxMessage = 64 << 10

// plain is the commit with nothing in it that a mailbox cannot carry.
func (c printed) plain() printed {
	c.author, c.committer = c.author.plain(), c.committer.plain()
	if len(c.message) > maxMessage {
		c.message = c.message[:maxMessage] + "\n[…]\n"
	}
	c.message = plainMessage(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(c.message, "\uFFFD")))
	return c
}

// rawDate is how git writes a time: seconds, and the time zone.
var rawDate = regexp.MustCompile(`^([0-9]{1,12}) [+-](?:0[0-9]|1[0-4])[0-5][0-9]$`)

// Between these, in seconds, git am reads times as they were written.
const (
	earliestDate = 100_000_000   // in 1973
	latestDate   = 4_000_000_000 // in 2096
)

func (p person) plain() person {
	const longest = 200
	clean := func(text string) string {
		return strings.TrimSpace(strings.Map(func(r rune) rune {
			if r < ' ' || r == 0x7f || r == '<' || r == '>' {
				return -1
			}
			return r
		}, strings.ToValidUTF8(text[:min(len(text), longest)], "")))
	}
	p.name, p.email = clean(p.name), clean(p.email)
	if p.name == "" {
		p.name = "unknown"
	}
	var seconds int64
	if match := rawDate.FindStringSubmatch(p.date); match != nil {
		seconds, _ = strconv.ParseInt(match[1], 10, 64) // twelve digits are a number
	}
	if seconds < earliestDate || seconds > latestDate {
		p.date = fmt.Sprintf("%d +0000", earliestDate)
	}
	return p
}

// String is the person in a commit's header.
func (p person) String() string { return p.name + " <" + p.email + "> " + p.date }

// plainMessage indents the lines that git mailinfo and mailsplit stop at.
func plainMessage(message string) string {
	var out strings.Builder
	for line := range strings.Lines(message) {
		dashes, ok := strings.CutPrefix(line, "---")
		if ok = ok && (len(dashes) == 0 || dashes[0] <= ' '); !ok {
			for _, mark := range []string{"diff -", "Index: ", "From "} {
				ok = ok || strings.HasPrefix(line, mark)
			}
		}
		if ok {
			out.WriteByte(' ')
		}
		out.WriteString(line)
	}
	return out.String()
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
