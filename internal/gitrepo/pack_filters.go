package gitrepo

import (
	"context"
	"path"
	"regexp"

	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
)

// filterSetting is a setting of the user's git that makes its own filter
// (git-lfs, say) change files on their way into the repository.
var filterSetting = regexp.MustCompile(`^filter\.([A-Za-z0-9_.-]+)\.(?:clean|process)$`)

// noteFilters names the files of a unit that such a filter changes: the guest
// gets them as they are in the work tree, and does not have the filter.
func (p *parcel) noteFilters(ctx context.Context, u *unit) error {
	git := p.user
	git.Config = nil
	names, err := git.Lines(ctx, gittree.Cmd{
		Dir: u.snap.Top, Args: []string{"config", "-z", "--name-only", "--get-regexp", `^filter\..*\.(clean|process)$`},
	})
	if failure, ok := hostgit.AsError(err); ok && failure.Status == 1 {
		return nil // there is none
	}
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, name := range names {
		match := filterSetting.FindStringSubmatch(name)
		if match == nil || seen[match[1]] {
			continue
		}
		seen[match[1]] = true
		files, err := p.user.Lines(ctx, u.snap.OnStaged("ls-files", "-z", "--", ":(attr:filter="+match[1]+")"))
		if err != nil {
			return err
		}
		for i, file := range files {
			files[i] = path.Join(u.below, file)
		}
		if len(files) > 0 {
			p.contents.Notes = append(p.contents.Notes, "the guest has no filter "+match[1]+": "+hostgit.SomeOf(files)+
				" are copied as they are in your work tree, and are exported that way if they change")
		}
	}
	return nil
}
