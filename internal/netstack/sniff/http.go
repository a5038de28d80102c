package sniff

import (
	"bytes"
	"slices"
	"strings"
)

// httpHost is the host of a request, if the bytes begin with one.
func httpHost(b []byte) (h Destination, more bool) {
	b = bytes.TrimLeft(b, "\r\n") // as servers do
	end := bytes.IndexByte(b, '\n')
	line := b
	if end >= 0 {
		line = bytes.TrimSuffix(b[:end], []byte("\r"))
	}
	switch {
	case !startsRequest(line):
		return Destination{Kind: Other}, false
	case bytes.ContainsFunc(line, isControl):
		return Destination{Kind: HTTP}, false
	case end < 0:
		return Destination{Kind: Other}, true
	case !isRequest(string(line)):
		return Destination{Kind: Other}, false
	}
	h.Kind = HTTP
	method, target, ok := parseRequest(string(line))
	if !ok {
		return h, false
	}
	head, complete := headOf(b[end:])
	if !complete {
		return h, true
	}
	h.Name = requestHost(method, target, head)
	return h, false
}

// startsRequest says whether a line, or the beginning of one, could be that of a
// request: there are servers that take any word for a method, however long, and
// some that skip spaces before it. Control characters are in no line of another protocol that could be
// taken for one, and in none of HTTP that a sound client sends.
func startsRequest(line []byte) bool {
	method := bytes.TrimLeft(line, spaces)
	if i := bytes.IndexAny(method, spaces); i >= 0 {
		method = method[:i]
	}
	if len(method) > 0 && !isToken(string(method)) {
		return false
	}
	return !bytes.ContainsFunc(line, isControl) || isMethod(string(method))
}

// spaces are what one server or another takes for the space in a request line.
const spaces = " \t\v\f\r"

func isControl(r rune) bool { return (r < ' ' || r == 0x7f) && !strings.ContainsRune(spaces, r) }

// isMethod says whether the word is a method of RFC 9110 or 5789.
func isMethod(word string) bool {
	switch word {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH":
		return true
	default:
		return false
	}
}

// isRequest says whether a server could take the line for the first of an HTTP
// request, be it a bad one, or one of HTTP before it had versions.
func isRequest(line string) bool {
	words := strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(spaces, r) })
	if len(words) < 2 {
		return false
	}
	if slices.ContainsFunc(words[1:], func(word string) bool { return strings.HasPrefix(strings.ToUpper(word), "HTTP/") }) {
		return true
	}
	return isMethod(words[0]) && len(words) == 2 && (strings.HasPrefix(words[1], "/") || strings.Contains(words[1], "://"))
}

// parseRequest takes a request line of HTTP/1 apart.
func parseRequest(line string) (method, target string, ok bool) {
	words := strings.Split(line, " ")
	if len(words) != 3 || words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0" || !isToken(words[0]) || words[1] == "" {
		return "", "", false
	}
	if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return "", "", false
	}
	return words[0], words[1], true
}

// headOf gives the lines of a head up to the empty one. It begins with the end of
// the line before.
func headOf(b []byte) (lines []string, complete bool) {
	if !bytes.Contains(b, []byte("\n\n")) && !bytes.Contains(b, []byte("\n\r\n")) {
		return nil, false
	}
	for line := range bytes.Lines(b[1:]) {
		line = bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))
		if len(line) == 0 {
			return lines, true
		}
		lines = append(lines, string(line))
	}
	return nil, false
}

// requestHost is the host that a request names: in its one Host field and, if
// there too, in its target.
func requestHost(method, target string, head []string) string {
	host, found := "", false
	for _, line := range head {
		name, value, ok := strings.Cut(line, ":")
		if !ok || !isToken(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }) {
			return "" // folded lines too
		}
		if !strings.EqualFold(name, "Host") {
			continue
		}
		if found {
			return ""
		}
		host, found = authorityHost(strings.Trim(value, " \t")), true
	}
	switch {
	case method == "CONNECT":
		if authorityHost(target) != host {
			return ""
		}
	case strings.HasPrefix(target, "/"), method == "OPTIONS" && target == "*":
	default:
		scheme, rest, ok := strings.Cut(target, "://")
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			rest = rest[:i]
		}
		if !ok || !isToken(scheme) || authorityHost(rest) != host {
			return ""
		}
	}
	return host
}

// authorityHost is the host of "host:port".
func authorityHost(authority string) string {
	host, port := authority, ""
	if strings.HasPrefix(authority, "[") {
		end := strings.IndexByte(authority, ']')
		if end < 0 || !strings.Contains(authority[:end], ":") {
			return ""
		}
		host, port = authority[1:end], authority[end+1:]
	} else if i := strings.IndexByte(authority, ':'); i >= 0 {
		host, port = authority[:i], authority[i:]
	}
	if port != "" && (port[0] != ':' || strings.Trim(port[1:], "0123456789") != "") {
		return ""
	}
	return canonical(host)
}

// isToken says whether the text is a token (RFC 9110, 5.6.2).
func isToken(text string) bool {
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return text != ""
}
