package sockets

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// procDir is a proc(5) of files. Sockets are links of descriptors.
type procDir struct {
	t    *testing.T
	path string
}

func newProc(t *testing.T) procDir {
	p := procDir{t, t.TempDir()}
	for name, text := range map[string]string{"net/tcp": tcp, "net/tcp6": tcp6, "net/udp": udp} {
		p.write(name, text)
	}
	return p
}

func (p procDir) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.path, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		p.t.Fatal(err)
	}
}

func (p procDir) process(pid, parent int, comm, cmdline string, inodes ...int) {
	p.t.Helper()
	dir := fmt.Sprint(pid)
	p.write(dir+"/comm", comm+"\n")
	p.write(dir+"/cmdline", cmdline)
	p.write(dir+"/stat", fmt.Sprintf("%d (%s) S %d 1 1 0 -1", pid, comm, parent))
	if err := os.MkdirAll(filepath.Join(p.path, dir, "fd"), 0o700); err != nil {
		p.t.Fatal(err)
	}
	for i, inode := range inodes {
		if err := os.Symlink(fmt.Sprintf("socket:[%d]", inode), filepath.Join(p.path, dir, "fd", fmt.Sprint(3+i))); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p procDir) owners() *Owners {
	o := NewOwners(p.path)
	o.self = 999
	o.only6 = func(pid, fd int) bool { return pid == 61 && fd == 4 }
	return o
}

// reporter is one that is closed with the test.
func (p procDir) reporter() *Reporter { return newReporter(p.t, p.owners()) }

func newReporter(t testing.TB, o *Owners) *Reporter {
	r := NewReporter(o)
	t.Cleanup(r.Close)
	return r
}
