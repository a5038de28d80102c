package doctor

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"path/filepath"
	"syscall"

	"github.com/bangervm/banger/internal/act"
)

// sqliteMagic opens every SQLite 3 file (https://www.sqlite.org/fileformat.html).
const sqliteMagic = "SQLite format 3\x00"

func checkState(_ context.Context, w World) verdict {
	info, err := w.stat(w.Dirs.State)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if above := w.existing(w.Dirs.State); w.CanWrite(above) != nil {
			return w.cannotWrite(above, w.Dirs.State+" does not exist and cannot be created")
		}
		return ok("%s does not exist yet; the daemon creates it", w.Dirs.State)
	case err != nil:
		return fail("make "+w.Dirs.State+" readable for "+w.User, "%v", err)
	case !info.IsDir():
		return fail("move the file away", "%s is not a directory", w.Dirs.State)
	}
	if stat, known := info.Sys().(*syscall.Stat_t); known && int(stat.Uid) != w.UID {
		return fail("sudo chown -R "+w.User+" "+w.Dirs.State, "%s belongs to uid %d, not to %s", w.Dirs.State, stat.Uid, w.User)
	}
	if info.Mode().Perm()&0o022 != 0 {
		return fail("chmod 700 "+w.Dirs.State, "other users can write to %s (mode %04o)", w.Dirs.State, info.Mode().Perm())
	}
	if w.CanWrite(w.Dirs.State) != nil {
		return w.cannotWrite(w.Dirs.State, w.Dirs.State+" cannot be written")
	}
	return w.database()
}

// cannotWrite is of a directory that no file can be made in.
func (w World) cannotWrite(dir, what string) verdict {
	return fail("make "+dir+" writable for "+w.User+", or set XDG_STATE_HOME to a directory that is", "%s: %v", what, w.CanWrite(dir))
}

func (w World) database() verdict {
	path := w.Dirs.Database()
	info, err := w.stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ok("%s does not exist yet; the daemon creates it", path)
	}
	if err != nil {
		return fail("make it readable for "+w.User, "%v", err)
	}
	// An empty main file is right while everything stands in the write-ahead log.
	if info.Size() == 0 {
		return ok("%s is new", path)
	}
	head, err := w.readHead(path, 100)
	if err != nil {
		return fail("make it readable for "+w.User, "%v", err)
	}
	if len(head) < 100 || !bytes.HasPrefix(head, []byte(sqliteMagic)) {
		return fail("stop the daemon and restore "+path+" from a backup, or move it away to start afresh", "%s is not an SQLite database", path)
	}
	page := int64(binary.BigEndian.Uint16(head[16:18]))
	if page == 1 {
		page = 65536
	}
	if page < 512 || info.Size()%page != 0 {
		return fail("stop the daemon and restore "+path+" from a backup", "%s is truncated: %d bytes in pages of %d", path, info.Size(), page)
	}
	return ok("%s is readable (%d KiB)", path, info.Size()>>10)
}

func checkSocket(_ context.Context, w World) verdict {
	dir := filepath.Dir(w.Socket)
	info, err := w.stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return ok("%s does not exist yet; the daemon creates it", dir)
	case err != nil:
		return fail("make "+dir+" a directory that you own", "%v", err)
	case !info.IsDir():
		return fail("remove it", "%s is not a directory", dir)
	}
	if stat, known := info.Sys().(*syscall.Stat_t); known && int(stat.Uid) != w.UID {
		return fail("remove it", "%s belongs to uid %d, not to %s", dir, stat.Uid, w.User)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return fail("chmod 700 "+dir, "other users can enter %s (mode %04o)", dir, perm)
	}
	return ok("%s", w.Socket)
}

func checkDaemon(ctx context.Context, w World) verdict {
	if w.Daemon == nil {
		return ok("not asked")
	}
	d, err := w.Daemon(ctx)
	switch {
	case err == nil:
		return ok("bangerd %s answers", d.Version)
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return ok("no daemon runs; the next command starts one")
	case errors.Is(err, fs.ErrPermission):
		return fail("set BANGER_SOCKET to the socket of your own daemon", "%s cannot open %s", w.User, w.Socket)
	default:
		return fail("", "the daemon at %s does not answer: %v", w.Socket, err).mend("%s", act.DaemonLogs.Do())
	}
}
