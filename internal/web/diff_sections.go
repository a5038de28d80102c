package web

import (
	"bufio"
	"errors"
	"io"
	"strings"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

const (
	maxPatchRead  = 256 << 20 // bytes that are read to find a file
	diffReadBlock = 64 << 10
	// maxSectionHead bounds the first line of a section: two quoted paths.
	maxSectionHead = 64 << 10
	sectionHead    = "diff --git "
)

// readDiff reads the part of the export's n-th file, from 0, of a patch of git's. Its
// text is made safe to show. It compares the paths of each section up to there, and of the
// next one, with the files of the export: a patch that differs is a Conflict, as it would
// show one file's changes as another's.
func readDiff(patch io.Reader, e api.Export, n int) (d diffView, err error) {
	limited := &io.LimitedReader{R: patch, N: maxPatchRead}
	in := bufio.NewReaderSize(limited, diffReadBlock)
	at := sections{of: e}
	p := diffParser{}
	for {
		line, err := shortLine(in)
		if errors.Is(err, io.EOF) {
			if limited.N == 0 {
				return d, fault.New(fault.Invalid, "the patch is too long to show this diff").WithHint("download the export and read the patch")
			}
			return d, at.end(n)
		}
		if err != nil {
			return d, err
		}
		if strings.HasPrefix(line, sectionHead) {
			if err := at.next(line); err != nil {
				return d, err
			}
			p = diffParser{}
		}
		switch {
		case at.file < n || at.begun == 0:
			continue
		case at.file > n:
			return d, nil
		case len(d.Lines) >= maxDiffLines:
			d.Cut = true
			return d, nil
		}
		if l, ok := p.line(line); ok {
			d.Lines = append(d.Lines, l)
		}
	}
}

// sections follows the sections of a patch along the files of its export. Git writes one
// for each file, and two for one whose type changes.
type sections struct {
	of    api.Export
	file  int // which file the current section is of
	begun int // sections of that file so far
}

// next takes the first line of a section.
func (s *sections) next(head string) error {
	if s.begun > 0 && s.begun == s.wanted() {
		s.file, s.begun = s.file+1, 0
	}
	s.begun++
	switch {
	case s.file < len(s.of.Files) && headNames(head, s.of.Files[s.file]):
		return nil
	case s.file == len(s.of.Files) && s.of.FileCount > len(s.of.Files):
		return nil // one that the export does not list
	}
	return errOtherFiles()
}

// end is called when the patch ends.
func (s *sections) end(n int) error {
	if s.file < n || s.begun != s.wanted() || n+1 < s.of.FileCount {
		return errOtherFiles()
	}
	return nil
}

func (s *sections) wanted() int {
	if s.file < len(s.of.Files) && s.of.Files[s.file].Status == "type_changed" {
		return 2
	}
	return 1
}

func errOtherFiles() error {
	return fault.New(fault.Conflict, "cannot show the diff: the patch has other files than the export").
		WithHint("download the export and read the patch")
}

// headNames reports whether the first line of a section is that of this file.
func headNames(head string, f api.ExportedFile) bool {
	from := f.From
	if from == "" {
		from = f.Path
	}
	rest, ok := cutName(strings.ToValidUTF8(strings.TrimPrefix(head, sectionHead), "\uFFFD"), "a/"+from)
	if !ok {
		return false
	}
	rest, ok = strings.CutPrefix(rest, " ")
	if !ok {
		return false
	}
	rest, ok = cutName(rest, "b/"+f.Path)
	return ok && rest == ""
}

// cutName cuts a name as git writes it, quoted if it has to be, off the start of text. A
// name that is not UTF-8 is compared as the API has it.
func cutName(text, name string) (rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		return strings.CutPrefix(text, name)
	}
	got, rest, ok := unquoteName(text)
	return rest, ok && strings.ToValidUTF8(got, "\uFFFD") == name
}

// unquoteName reads a name in double quotes, with the escapes of C that git uses.
func unquoteName(text string) (name, rest string, ok bool) {
	const letters, bytes = `abtnvfr"\`, "\a\b\t\n\v\f\r\"\\"
	var out []byte
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return string(out), text[i+1:], true
		case '\\':
			i++
			if i >= len(text) {
				return "", "", false
			}
			if at := strings.IndexByte(letters, text[i]); at >= 0 {
				out = append(out, bytes[at])
				continue
			}
			value, ok := octal(text[i:min(i+3, len(text))])
			if !ok {
				return "", "", false
			}
			out = append(out, value)
			i += 2
		default:
			out = append(out, text[i])
		}
	}
	return "", "", false
}

// octal is the byte that three octal digits mean.
func octal(digits string) (value byte, ok bool) {
	if len(digits) != 3 || digits[0] > '3' {
		return 0, false
	}
	for i := range len(digits) {
		if digits[i] < '0' || digits[i] > '7' {
			return 0, false
		}
		value = value<<3 | (digits[i] - '0')
	}
	return value, true
}

// shortLine reads a line without its end, of which all beyond maxDiffLine is left out, or
// of the first line of a section all beyond maxSectionHead.
func shortLine(in *bufio.Reader) (string, error) {
	var kept []byte
	most := maxDiffLine + 1
	for {
		part, err := in.ReadSlice('\n')
		if len(kept) == 0 && strings.HasPrefix(string(part[:min(len(part), len(sectionHead))]), sectionHead) {
			most = maxSectionHead
		}
		kept = append(kept, part[:min(len(part), most-len(kept))]...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF) && len(kept) > 0, err == nil:
			return strings.TrimSuffix(string(kept), "\n"), nil
		default:
			return "", err
		}
	}
}
