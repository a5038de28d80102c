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

// serveSFTP serves SFTP as the user that this process runs as, from that user's
// home.
func serveSFTP() error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	srv, err := sftp.NewServer(stdio{os.Stdin, os.Stdout}, sftp.WithServerWorkingDirectory(dir))
	if err != nil {
		return err
	}
	if err := srv.Serve(); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
