package command

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agent/account"
)

// program writes an executable file.
func program(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "prog")
	if err := os.WriteFile(path, []byte(content), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// dynamic is a program for a machine that asks for a loader.
func dynamic(machine uint16, loader string) string {
	head := make([]byte, 120, 256)
	copy(head, "\x7fELF\x02\x01\x01")
	put := binary.LittleEndian
	put.PutUint16(head[16:], 2) // executable
	put.PutUint16(head[18:], machine)
	put.PutUint32(head[20:], 1)
	put.PutUint64(head[32:], 64)
	put.PutUint16(head[52:], 64)
	put.PutUint16(head[54:], 56)
	put.PutUint16(head[56:], 1)
	put.PutUint32(head[64:], 3) // PT_INTERP
	put.PutUint64(head[72:], 120)
	put.PutUint64(head[96:], uint64(len(loader)+1))
	put.PutUint64(head[104:], uint64(len(loader)+1))
	return string(head) + loader + "\x00"
}

func TestWhyAProgramDoesNotStart(t *testing.T) {
	me := account.Account{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	machine := map[string]uint16{"amd64": 62, "arm64": 183}[runtime.GOARCH]
	for name, tc := range map[string]struct {
		argv   []string
		env    []string
		status int
		says   []string
	}{
		"no interpreter there":     {[]string{program(t, "#!/no/such/perl -w\n")}, nil, StatusNotFound, []string{`"/no/such/perl"`, "not in the guest"}},
		"lines as on Windows":      {[]string{program(t, "#!/bin/sh\r\necho x\r\n")}, nil, StatusNotFound, []string{`"/bin/sh\r"`, "CR LF"}},
		"Windows, with an option":  {[]string{program(t, "#!/bin/sh -e\r\n")}, nil, 0, nil}, // the shell's to say
		"an empty first line":      {[]string{program(t, "#!\n")}, nil, StatusCannotRun, []string{"names no interpreter"}},
		"no first line":            {[]string{program(t, "echo hello\n")}, nil, StatusCannotRun, []string{"names no interpreter", "sh /"}},
		"no loader there":          {[]string{program(t, dynamic(machine, "/no/such/ld-musl.so.1"))}, nil, StatusNotFound, []string{`"/no/such/ld-musl.so.1"`, "not in the guest"}},
		"another processor's":      {[]string{program(t, dynamic(8, "/no/such/ld.so"))}, nil, StatusCannotRun, []string{"another CPU architecture"}},
		"cut short":                {[]string{program(t, "\x7fELF\x02")}, nil, StatusCannotRun, []string{"is truncated"}},
		"a script of such a one":   {[]string{program(t, "#!"+program(t, dynamic(machine, "/no/such/ld.so"))+"\n")}, nil, StatusNotFound, []string{"asks for the interpreter", `"/no/such/ld.so"`}},
		"a long variable":          {[]string{"true"}, []string{"A=1", "BIG=" + strings.Repeat("x", 200_000)}, StatusCannotRun, []string{"BIG", "200000 bytes"}},
		"a long argument":          {[]string{"true", strings.Repeat("x", 200_000)}, nil, StatusCannotRun, []string{"argument 1", "200000 bytes"}},
		"much altogether":          {append([]string{"true"}, many(60)...), []string{"LONG=" + strings.Repeat("x", 130_000)}, StatusCannotRun, []string{"together", "LONG"}},
		"not executable is enough": {[]string{"/etc/passwd"}, nil, StatusCannotRun, []string{"permission denied"}},
	} {
		t.Run(name, func(t *testing.T) {
			files, err := OpenFiles(me, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			proc, err := files.Start(Spec{Argv: tc.argv, Env: append(tc.env, "PATH="+DefaultPath), Dir: "/", User: me})
			if tc.status == 0 {
				if err == nil {
					_, _, _ = proc.Wait()
					files.Release()
				}
				return
			}
			var start *StartError
			if !errors.As(err, &start) || start.Status != tc.status {
				t.Fatalf("Start = %v, want status %d", err, tc.status)
			}
			for _, want := range tc.says {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
		})
	}
}

// many is more than a quarter of the usual limit of the stack.
func many(n int) []string {
	args := make([]string, n)
	for i := range args {
		args[i] = strings.Repeat("x", 120_000)
	}
	return args
}
