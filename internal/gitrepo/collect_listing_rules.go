package gitrepo

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/gitindex"
	"github.com/bangervm/banger/internal/gittree"
	"github.com/bangervm/banger/internal/hostgit"
)

// maxRules bounds a .gitignore or .gitattributes, in bytes.
const maxRules = 8 << 20

// checkOut puts the unchanged files of this name into the private work tree,
// where git looks for its rules. Where they are is the guest's word.
func (l *listing) checkOut(ctx context.Context, name string) error {
	places := map[string][]string{}
	for where, e := range l.listed {
		if path.Base(where) == name && e.oid != "" && e.mode != gitindex.ModeSymlink {
			places[e.oid] = append(places[e.oid], where)
		}
	}
	if len(places) == 0 {
		return nil
	}
	return eachBlob(ctx, l.git, slices.Sorted(maps.Keys(places)), func(id string, content []byte) error {
		for _, where := range places[id] {
			if err := l.spend(where, int64(len(content))); err != nil {
				return err
			}
			if err := l.root.MkdirAll(path.Dir(where), 0o700); err != nil {
				return err
			}
			if err := l.root.WriteFile(where, content, 0o600); err != nil {
				return err
			}
		}
		return nil
	})
}

// eachBlob reads blobs of at most maxRules bytes, all by one git.
func eachBlob(ctx context.Context, git gittree.Git, ids []string, visit func(id string, content []byte) error) error {
	read, write := io.Pipe()
	done := make(chan error, 1)
	go func() {
		err := readBlobs(bufio.NewReader(read), visit)
		_ = read.CloseWithError(cmp.Or(err, io.ErrClosedPipe)) // never fails
		done <- err
	}()
	err := git.Run(ctx, gittree.Cmd{Stdin: strings.NewReader(strings.Join(ids, "\n") + "\n"), Stdout: write, Args: []string{"cat-file", "--batch"}})
	_ = write.Close() // never fails
	if readErr := <-done; readErr != nil && ctx.Err() == nil {
		return readErr
	}
	return err
}

// readBlobs reads what cat-file --batch prints.
func readBlobs(r *bufio.Reader, visit func(id string, content []byte) error) error {
	for {
		head, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) && head == "" {
			return nil
		}
		if err != nil {
			return err
		}
		var id, kind string
		var size int64
		if _, err := fmt.Sscanf(head, "%s %s %d\n", &id, &kind, &size); err != nil || kind != "blob" {
			return fault.New(fault.Unavailable, "a file in the guest's list has no content that was sent: git says %s", hostgit.Printable(head))
		}
		if size > maxRules {
			return fault.New(fault.Invalid, "the workspace has a .gitignore or .gitattributes of %s; at most %s are read", fault.Bytes(size), fault.Bytes(maxRules))
		}
		content := make([]byte, size)
		if _, err := io.ReadFull(r, content); err != nil {
			return err
		}
		if _, err := r.Discard(1); err != nil { // the end of the line
			return err
		}
		if err := visit(id, content); err != nil {
			return err
		}
	}
}
