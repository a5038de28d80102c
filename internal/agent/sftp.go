package agent

import (
	"errors"
	"io"
	"os"

	"github.com/pkg/sftp"
)

type stdio struct {
	io.Reader
	io.WriteCloser
}

// serveSFTP serves SFTP as the user that this process runs as, from the
// process's directory, that user's home. The library is not told of it: it
// would make the targets of relative links absolute.
func serveSFTP() error {
	srv, err := sftp.NewServer(stdio{os.Stdin, os.Stdout})
	if err != nil {
		return err
	}
	if err := srv.Serve(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
