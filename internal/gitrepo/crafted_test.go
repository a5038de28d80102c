package gitrepo_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/gittest"
)

// crafted is a repository in a guest that is being made, with git's plumbing.
type crafted struct {
	t    *testing.T
	dir  string
	sent string // a tree that the agent says is the work tree; empty: it reads that
}

func (r *crafted) git(input string, args ...string) string {
	r.t.Helper()
	out, err := gittest.TryIn(r.dir, input, args...)
	if err != nil {
		r.t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(out)
}

// commit moves HEAD to a commit of everything, with a header and a message of
// any kind.
func (r *crafted) commit(header, message string) {
	r.t.Helper()
	r.git("", "add", "-A", "-f")
	r.commitTree(r.git("", "write-tree"), header, message)
}

func (r *crafted) commitTree(tree, header, message string) {
	r.t.Helper()
	if header == "" {
		header = "author A <a@example.org> 1700000000 +0000\ncommitter C <c@example.org> 1700000000 +0000\n"
	}
	raw := "tree " + tree + "\nparent " + r.git("", "rev-parse", "HEAD") + "\n" + header + "\n" + message
	id := r.git(raw, "hash-object", "-t", "commit", "-w", "--literally", "--stdin")
	r.git("", "update-ref", "HEAD", id)
}

// tree makes a tree of entries as they are, whatever git thinks of them.
func (r *crafted) tree(entries ...string) string {
	r.t.Helper()
	var raw bytes.Buffer
	for _, e := range entries { // MODE NAME ID
		meta, id := e[:strings.LastIndexByte(e, ' ')], e[strings.LastIndexByte(e, ' ')+1:]
		raw.WriteString(meta + "\x00")
		for i := 0; i < len(id); i += 2 {
			raw.WriteByte(unhex(id[i])<<4 | unhex(id[i+1]))
		}
	}
	return r.git(raw.String(), "hash-object", "-t", "tree", "-w", "--literally", "--stdin")
}

func (r *crafted) blob(content string) string {
	r.t.Helper()
	return r.git(content, "hash-object", "-w", "--stdin")
}

// committed is a tree at HEAD that no work tree could hold, and that the agent
// says is the work tree.
func (r *crafted) committed(tree string) {
	r.commitTree(tree, "", "m\n")
	r.sent = tree
}

// serve is an agent that sends a tree as the work tree.
func (r *crafted) serve() (net.Conn, func()) {
	host, agent := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		head := r.git("", "rev-parse", "HEAD")
		_ = agentrpc.WriteLine(agent, agentrpc.WorkspaceAnswer{Snapshot: &agentrpc.WorkspaceSnapshot{
			Repos: []agentrpc.WorkspaceRepo{{Format: "sha1", Tree: r.sent, Head: head}},
		}})
		var want agentrpc.WorkspaceWant
		_ = agentrpc.ReadLine(bufio.NewReader(agent), &want)
		pack, _ := gittest.TryIn(r.dir, r.sent+"\n"+head+"\n", "pack-objects", "--revs", "--stdout", "-q")
		w := agentrpc.ChunkWriter{W: agent}
		_, _ = io.WriteString(w, pack)
		_ = w.End()
		_ = agent.Close()
	}()
	return host, func() { _ = host.Close(); <-done }
}
