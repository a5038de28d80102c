package mcp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/guestfiles"
)

const (
	maxRead  = 1 << 20
	maxWrite = 4 << 20
)

// How bytes are written in JSON.
const (
	encodingText   = "text"
	encodingBase64 = "base64"
)

type fileReadArgs struct {
	VM     string `json:"vm" jsonschema:"name or ID prefix"`
	Path   string `json:"path" jsonschema:"absolute path in the VM"`
	Offset int64  `json:"offset,omitempty" jsonschema:"start at this byte"`
	Limit  int    `json:"limit_bytes,omitempty" jsonschema:"maximum bytes"`
}

type fileReadResult struct {
	Path     string    `json:"path"`
	Size     int64     `json:"size" jsonschema:"file size in bytes"`
	Mode     string    `json:"mode" jsonschema:"octal"`
	Modified time.Time `json:"modified_at"`
	Encoding string    `json:"encoding" jsonschema:"text or base64"`
	Content  string    `json:"content"`
	Offset   int64     `json:"offset"`
	Next     int64     `json:"next_offset" jsonschema:"where to continue"`
	End      bool      `json:"end" jsonschema:"true at the end"`
}

type fileWriteArgs struct {
	VM       string `json:"vm" jsonschema:"name or ID prefix"`
	Path     string `json:"path" jsonschema:"absolute path in the VM"`
	Content  string `json:"content"`
	Encoding string `json:"encoding,omitempty" jsonschema:"encoding of content"`
	Mode     string `json:"mode,omitempty" jsonschema:"octal permissions; default: unchanged, or 0644"`
	Parents  bool   `json:"create_directories,omitempty" jsonschema:"create missing parent directories"`
}

type fileWriteResult struct {
	Path    string `json:"path"`
	Bytes   int    `json:"bytes"`
	Created bool   `json:"created" jsonschema:"the file is new"`
}

func (s *Server) addFileTools() {
	addTool(s, spec{
		name: "file_read", title: "Read a file",
		description: "Read a file in a VM, or a part of it. Content that is not UTF-8 is returned as base64.",
		effect:      effect{readOnly: true},
		bounds: bounds{
			"vm": vmName(), "path": absolutePath(), "offset": {between(0, 1<<53)},
			"limit_bytes": {between(1, maxRead), fallback("65536")},
		},
	}, s.fileRead)
	addTool(s, spec{
		name: "file_write", title: "Write a file",
		description: "Create or replace a file in a VM, atomically, up to 4 MiB.",
		effect:      effect{destructive: true, idempotent: true},
		bounds: bounds{
			"vm": vmName(), "path": absolutePath(), "content": {length(0, base64.StdEncoding.EncodedLen(maxWrite))},
			"encoding": {oneOf(encodingText, encodingBase64), fallback(`"text"`)},
			"mode":     {matching("^0?[0-7]{3,4}$")},
		},
	}, s.fileWrite)
}

func (s *Server) fileRead(ctx context.Context, _ *sdk.CallToolRequest, args fileReadArgs) (fileReadResult, error) {
	if err := checkPath(args.Path); err != nil {
		return fileReadResult{}, err
	}
	data, info, err := s.daemon.Files.ReadFile(ctx, args.VM, args.Path, args.Offset, args.Limit)
	if err != nil {
		return fileReadResult{}, err
	}
	end := len(data) < args.Limit
	content, encoding, used := encode(data, end)
	next := args.Offset + int64(used)
	return fileReadResult{
		Path: args.Path, Size: info.Size, Mode: fmt.Sprintf("%04o", info.Mode.Perm()), Modified: info.Modified.UTC(),
		Encoding: encoding, Content: content, Offset: args.Offset, Next: next,
		End: end || (info.Size > 0 && next >= info.Size),
	}, nil
}

// encode writes bytes for JSON, and says how many it took: unless they are the
// last, a character that is not all there is left for the next time.
func encode(data []byte, last bool) (content, encoding string, used int) {
	text := data
	if !last {
		if cut := cutAtEnd(data); cut < len(data) {
			text = data[:len(data)-cut]
		}
	}
	if utf8.Valid(text) && !strings.ContainsRune(string(text), 0) {
		return string(text), encodingText, len(text)
	}
	return base64.StdEncoding.EncodeToString(data), encodingBase64, len(data)
}

// decode is the inverse: the bytes that content stands for.
func decode(content, encoding string) ([]byte, error) {
	if encoding != encodingBase64 {
		return []byte(content), nil
	}
	data, err := base64.StdEncoding.DecodeString(content)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "content is not base64").WithHint("use the standard alphabet with padding")
	}
	return data, nil
}

func checkPath(p string) error {
	if !path.IsAbs(p) || strings.ContainsRune(p, 0) {
		return fault.New(fault.Invalid, "path %q is not an absolute path", p)
	}
	return nil
}

func (s *Server) fileWrite(ctx context.Context, _ *sdk.CallToolRequest, args fileWriteArgs) (fileWriteResult, error) {
	if err := checkPath(args.Path); err != nil {
		return fileWriteResult{}, err
	}
	if strings.HasSuffix(args.Path, "/") {
		return fileWriteResult{}, fault.New(fault.Invalid, "path %q is a directory", args.Path).WithHint("give the path of a file")
	}
	data, err := decode(args.Content, args.Encoding)
	if err != nil {
		return fileWriteResult{}, err
	}
	if len(data) > maxWrite {
		return fileWriteResult{}, fault.New(fault.Invalid, "the file is %d bytes, more than the limit of %d", len(data), maxWrite).
			WithHint("write it in parts with exec and stdin, or download it in the VM")
	}
	write := guestfiles.Write{Path: args.Path, Data: data, Parents: args.Parents}
	if args.Mode != "" {
		bits, err := strconv.ParseUint(args.Mode, 8, 16)
		if err != nil || bits > 0o777 {
			return fileWriteResult{}, fault.New(fault.Invalid, "mode %q is not an octal mode from 000 to 777", args.Mode)
		}
		mode := fs.FileMode(bits)
		write.Mode = &mode
	}
	created, err := s.daemon.Files.WriteFile(ctx, args.VM, write)
	if errors.Is(err, guestfiles.ErrNoDirectory) {
		err = fault.New(fault.NotFound, "%s", err).WithHint("set create_directories")
	}
	return fileWriteResult{Path: args.Path, Bytes: len(data), Created: created}, err
}
