package boundlog

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Stderr bounds the log at path when that is where stderr leads, and so takes
// what this process writes there unasked, such as a panic: stderr, and stdout
// if it leads there too, follow when the log is put aside. Where stderr leads
// anywhere else, to a terminal or the journal, it is returned as it is.
func Stderr(path string, limit int64, stderr io.Writer) io.Writer {
	file, ok := stderr.(*os.File)
	if !ok || !leadsTo(file, path) {
		return stderr
	}
	followers := []*os.File{file}
	if leadsTo(os.Stdout, path) {
		followers = append(followers, os.Stdout)
	}
	bounded, err := Append(path, limit, func(log *os.File) error {
		var errs []error
		for _, f := range followers {
			errs = append(errs, unix.Dup3(int(log.Fd()), int(f.Fd()), 0))
		}
		return errors.Join(errs...)
	})
	if err != nil {
		return stderr
	}
	return bounded
}

func leadsTo(f *os.File, path string) bool {
	there, err := os.Stat(path)
	if err != nil {
		return false
	}
	here, err := f.Stat()
	return err == nil && os.SameFile(here, there)
}
