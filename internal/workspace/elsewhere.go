package workspace

import "strings"

// Elsewhere is the work in a guest that is not in the work tree or on its HEAD,
// and so in no export of it. Repositories inside the work tree count too.
type Elsewhere struct {
	// Branches have commits that HEAD does not have; DIR:BRANCH in a repository
	// inside.
	Branches []string
	// Stashes are the directories of repositories with stashed changes; "." is
	// the work tree itself.
	Stashes []string
	// WorkTrees are linked work trees with uncommitted changes.
	WorkTrees []string
	// Unread says that git in the guest cannot read the repository, so that
	// nobody knows of its branches.
	Unread bool
}

// Any reports whether there is any.
func (e Elsewhere) Any() bool {
	return e.Unread || len(e.Branches) > 0 || len(e.Stashes) > 0 || len(e.WorkTrees) > 0
}

// describe returns phrases for messages.
func (e Elsewhere) describe() []string {
	var parts []string
	for _, dir := range e.WorkTrees {
		parts = append(parts, "uncommitted changes in the work tree "+dir)
	}
	for _, dir := range e.Stashes {
		parts = append(parts, "stashed changes"+inside(dir))
	}
	if len(e.Branches) > 0 {
		parts = append(parts, "commits on "+strings.Join(e.Branches, ", "))
	}
	if e.Unread {
		parts = append(parts, "branches that git in the guest cannot read")
	}
	return parts
}

// inside says where a repository is, if it is not the work tree itself.
func inside(dir string) string {
	if dir == "." {
		return ""
	}
	return " in " + dir
}

// notes say how to export what is elsewhere.
func (e Elsewhere) notes() []string {
	var notes []string
	for _, branch := range e.Branches {
		notes = append(notes, branch+" in the guest has commits that are not in this export: check it out there to export them")
	}
	for _, dir := range e.Stashes {
		notes = append(notes, "the guest has stashed changes"+inside(dir)+" that are not in this export: git stash pop there, to export them")
	}
	for _, dir := range e.WorkTrees {
		notes = append(notes, "the guest has uncommitted changes in the work tree "+dir+", which are not in this export: commit them there, or export that path")
	}
	return notes
}
