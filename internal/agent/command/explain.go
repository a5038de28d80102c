package command

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/bangervm/banger/internal/agent/regular"
)

const (
	// maxArg is the longest argument or variable that Linux passes on, in bytes, its
	// final zero included (MAX_ARG_STRLEN, execve(2)).
	maxArg = 128 << 10
	// maxFirstLine is how much of a script's first line the kernel reads.
	maxFirstLine = 256
	// maxHeaders bounds the program headers of an ELF file that are looked at.
	maxHeaders = 128
)

// explain says of a program that is there why the kernel did not start it: it
// names only the error, which is often that of another file.
func explain(path string, spec Spec, cause error) error {
	shown := spec.Argv[0]
	why := ""
	switch {
	case errors.Is(cause, syscall.E2BIG):
		why = tooLong(spec)
	case errors.Is(cause, syscall.ENOENT), errors.Is(cause, syscall.ENOEXEC), errors.Is(cause, syscall.EACCES), errors.Is(cause, syscall.ENOTDIR):
		why = unfit(path, cause)
	}
	switch {
	case why == "" && errors.Is(cause, syscall.EACCES) && spec.User.UID != 0:
		return fmt.Errorf("%s: %w for the user %q in %s", shown, cause, spec.User.Name, spec.Dir)
	case why == "":
		return fmt.Errorf("%s: %w", shown, cause)
	}
	return fmt.Errorf("%s: %s (%w)", shown, why, cause)
}

// tooLong names what is too long for the kernel.
func tooLong(spec Spec) string {
	total, longest := 0, ""
	for _, kv := range spec.Env {
		name, _, _ := strings.Cut(kv, "=")
		if len(kv) >= maxArg {
			return fmt.Sprintf("the environment variable %s has %d bytes with its name; the limit is %d", name, len(kv)-len(name)-1, maxArg-1)
		}
		total += len(kv) + 1
		if len(kv) > len(longest) {
			longest = kv
		}
	}
	for i, arg := range spec.Argv {
		if len(arg) >= maxArg {
			return fmt.Sprintf("argument %d has %d bytes; the limit is %d", i, len(arg), maxArg-1)
		}
		total += len(arg) + 1
	}
	name, _, _ := strings.Cut(longest, "=")
	return fmt.Sprintf("arguments and environment have %d bytes together; the longest variable is %s, with %d", total, name, len(longest))
}

// unfit says what a program asks for that is missing, or that it is none.
func unfit(path string, cause error) string {
	file, err := regular.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	head := make([]byte, maxFirstLine)
	n, _ := io.ReadFull(file, head)
	head = head[:n]
	switch {
	case bytes.HasPrefix(head, []byte("\x7fELF")):
		return unfitELF(file, head)
	case bytes.HasPrefix(head, []byte("#!")):
		return unfitScript(path, head, cause)
	case errors.Is(cause, syscall.ENOEXEC):
		return fmt.Sprintf("the first line names no interpreter; to run it as a shell script: sh %s", path)
	}
	return ""
}

func unfitScript(path string, head []byte, cause error) string {
	line, _, _ := bytes.Cut(head, []byte("\n"))
	fields := strings.Fields(string(line[2:]))
	if len(fields) == 0 {
		return "the first line names no interpreter"
	}
	name := filepath.Base(path)
	if bytes.HasSuffix(line, []byte("\r")) {
		return fmt.Sprintf("the lines of %s end in CR LF, as on Windows, so it asks for the interpreter %q; sed -i 's/\\r$//' %s mends it",
			name, fields[0]+"\r", path)
	}
	if _, err := os.Stat(fields[0]); err != nil {
		return fmt.Sprintf("%s asks for the interpreter %q, which is not in the guest", name, fields[0])
	}
	if why := unfit(fields[0], cause); why != "" && !strings.HasPrefix(why, "the first line") {
		return fmt.Sprintf("%s asks for the interpreter %q; %s", name, fields[0], why)
	}
	return fmt.Sprintf("%s asks for the interpreter %q, which cannot be run", name, fields[0])
}

// unfitELF looks for the dynamic loader and the machine of a 64-bit program.
func unfitELF(file io.ReaderAt, head []byte) string {
	const class64, littleEndian, headerSize, programHeader, interpreter = 2, 1, 64, 56, 3
	machine := map[string]uint16{"amd64": 62, "arm64": 183}[runtime.GOARCH]
	if len(head) < headerSize {
		return "the program is truncated"
	}
	if head[4] != class64 || head[5] != littleEndian || machine != 0 && binary.LittleEndian.Uint16(head[18:]) != machine {
		return "the program is for another CPU architecture than this guest's, " + runtime.GOARCH
	}
	at := int64(binary.LittleEndian.Uint64(head[32:]))
	header := make([]byte, programHeader)
	for i := range min(int64(binary.LittleEndian.Uint16(head[56:])), maxHeaders) {
		if _, err := file.ReadAt(header, at+i*programHeader); err != nil {
			return ""
		}
		if binary.LittleEndian.Uint32(header) != interpreter {
			continue
		}
		name := make([]byte, min(binary.LittleEndian.Uint64(header[32:]), maxFirstLine))
		if _, err := file.ReadAt(name, int64(binary.LittleEndian.Uint64(header[8:]))); err != nil {
			return ""
		}
		loader := string(bytes.TrimRight(name, "\x00"))
		if _, err := os.Stat(loader); err != nil {
			return fmt.Sprintf("the program needs the dynamic loader %q, which is not in the guest", loader)
		}
	}
	return ""
}
