package gitrepo

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/workspace"
)

// meta is what a guest's .git holds besides objects and index.
type meta struct {
	branch     string // refs/heads/…; empty: detached
	head       string
	packedRefs string
	shallow    string
	config     string
	exclude    string
	attributes string
}

// readMeta collects what the guest's git must know to see what the user's sees.
func (p *parcel) readMeta(ctx context.Context, u *unit) (meta, error) {
	m := meta{branch: u.snap.Branch}
	top := u.below == ""
	if top && p.req.Branch != "" {
		m.branch = "refs/heads/" + p.req.Branch
	}
	m.head = u.snap.Head + "\n"
	if m.branch != "" {
		m.head = "ref: " + m.branch + "\n"
	}
	var err error
	if m.packedRefs, err = p.packedRefs(ctx, u, m.branch); err != nil {
		return m, err
	}
	if m.config, err = p.config(ctx, u); err != nil {
		return m, err
	}
	if m.exclude, err = p.patterns(ctx, u, "core.excludesFile", "ignore", "exclude"); err != nil {
		return m, err
	}
	if m.attributes, err = p.patterns(ctx, u, "core.attributesFile", "attributes", "attributes"); err != nil {
		return m, err
	}
	if p.req.Mode == workspace.Shallow {
		if u.snap.Head != "" {
			m.shallow = u.snap.Head + "\n"
		}
		return m, nil
	}
	shallow, err := readIfThere(filepath.Join(u.snap.CommonDir, "shallow"))
	m.shallow = string(shallow)
	return m, err
}

// packedRefs lists the refs that the guest gets.
func (p *parcel) packedRefs(ctx context.Context, u *unit, branch string) (string, error) {
	var refs strings.Builder
	if p.req.Mode == workspace.FullCopy {
		out, err := p.user.Output(ctx, gittree.Cmd{
			Dir: u.snap.Top, Args: []string{"for-each-ref", "--format=%(if)%(symref)%(then)%(else)%(objectname) %(refname)%(end)"},
		})
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(string(out)) {
			if line != "\n" && !strings.HasSuffix(line, " "+branch+"\n") {
				refs.WriteString(line)
			}
		}
	}
	if branch != "" && u.snap.Head != "" {
		refs.WriteString(u.snap.Head + " " + branch + "\n")
	}
	return refs.String(), nil
}

// config is the guest's: what a work tree's content depends on, and who commits.
// Nothing that could hold a secret is in it.
func (p *parcel) config(ctx context.Context, u *unit) (string, error) {
	var b strings.Builder
	b.WriteString("[core]\n\tbare = false\n\tfilemode = true\n\tlogallrefupdates = true\n")
	if u.snap.Format == "sha256" {
		b.WriteString("\trepositoryformatversion = 1\n[extensions]\n\tobjectformat = sha256\n[core]\n")
	} else {
		b.WriteString("\trepositoryformatversion = 0\n")
	}
	for _, key := range []string{"core.autocrlf", "core.eol", "core.quotePath", "user.name", "user.email", "pull.rebase", "init.defaultBranch"} {
		value, err := p.setting(ctx, u, key)
		if err != nil {
			return "", err
		}
		if value == "" {
			continue
		}
		section, name, _ := strings.Cut(key, ".")
		b.WriteString("[" + section + "]\n\t" + name + " = " + quoteConfig(value) + "\n")
	}
	return b.String(), nil
}

func quoteConfig(value string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(value) + `"`
}

// setting is the user's setting; empty when there is none.
func (p *parcel) setting(ctx context.Context, u *unit, key string, flags ...string) (string, error) {
	git := p.user
	git.Config = nil
	args := append(append([]string{"config"}, flags...), "--get", key)
	out, err := git.Output(ctx, gittree.Cmd{Dir: u.snap.Top, Args: args})
	if failure, ok := hostgit.AsError(err); ok && failure.Status == 1 {
		return "", nil
	}
	return strings.TrimSuffix(string(out), "\n"), err
}

// patterns joins the user's own file of patterns with the repository's, which
// comes last and so has the last word.
func (p *parcel) patterns(ctx context.Context, u *unit, key, standard, name string) (string, error) {
	global, err := p.setting(ctx, u, key, "--type=path")
	if err != nil {
		return "", err
	}
	if global == "" {
		base := os.Getenv("XDG_CONFIG_HOME")
		if base == "" {
			base = filepath.Join(os.Getenv("HOME"), ".config")
		}
		global = filepath.Join(base, "git", standard)
	}
	var text strings.Builder
	for _, file := range []string{global, filepath.Join(u.snap.CommonDir, "info", name)} {
		if data, err := readIfThere(file); err == nil && len(data) > 0 { // git, too, goes on without a file it cannot read
			text.Write(data)
			text.WriteByte('\n')
		}
	}
	return text.String(), nil
}

// readIfThere returns nothing for a file that is not there.
func readIfThere(path string) ([]byte, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}
