package sniff

import (
	"bytes"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/egress"
)

// blank says whether one server or another takes the byte for a space: Python's
// splits at all that is space in Latin-1.
func blank(c byte) bool {
	return '\t' <= c && c <= '\r' || 0x1c <= c && c <= ' ' || c == 0x85 || c == 0xa0
}

// startsLine says whether the bytes begin with a word and a blank, as a request
// does; blanks before it count for nothing, as servers skip them. Behind a server
// that spoke first, which is none of these, bytes are as they look. more: they
// could begin with one.
func startsLine(b []byte, greeted bool) (is, more bool) {
	word, isBlank := b, blank
	if greeted {
		isBlank = func(c byte) bool { return c == ' ' || c == '\t' }
	} else {
		for len(word) > 0 && blank(word[0]) {
			word = word[1:]
		}
	}
	end := slices.IndexFunc(word, func(c byte) bool { return !isTokenByte(c) })
	switch {
	case end < 0:
		return false, true
	case end > 0 && word[end] == '\r':
		return end+1 < len(word) && word[end+1] != '\n' && !greeted, end+1 == len(word)
	default:
		return end > 0 && word[end] != '\n' && isBlank(word[end]), false
	}
}

// firstLine judges bytes that begin with a line of words: a sound request, another
// protocol's line, or what only some servers would take for a request.
func firstLine(b []byte, greeted bool) (said egress.Said, more bool) {
	end := bytes.IndexByte(b, '\n')
	switch {
	case blank(b[0]):
		return unsound("there is white space before the first word"), false
	case end < 0 && slices.ContainsFunc(b, isControl):
		return unsound("the first line has control characters"), false
	case end < 0:
		return egress.Said{Speech: egress.Unknown}, true
	}
	line := b[:end]
	r, more := readRequest(b)
	switch {
	case more:
		return egress.Said{Speech: egress.Unknown}, true
	case r.said.Speech != "":
		return r.said, false
	case blatant(line):
		return unsound("the request line is malformed"), false
	case greeted:
		return egress.Said{Speech: egress.Greeted}, false
	default:
		return egress.Said{Speech: egress.Words}, false
	}
}

// requestLine reads METHOD SP TARGET SP HTTP/1.x CR.
func requestLine(line []byte) (method, target string, sound bool) {
	text, ok := strings.CutSuffix(string(line), "\r")
	words := strings.Split(text, " ")
	if !ok || len(words) != 3 || words[2] != "HTTP/1.1" && words[2] != "HTTP/1.0" || !isToken(words[0]) || words[1] == "" {
		return "", "", false
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", "", false
	}
	return words[0], words[1], true
}

// blatant says whether a line could only be a request, sound or not: it begins with
// one of HTTP's methods, or has a version (also those of RTSP, ICE and SIP, which
// HTTP servers take), or the control characters that no line of another protocol has.
func blatant(line []byte) bool {
	line, _, _ = bytes.Cut(line, []byte("\n"))
	if slices.ContainsFunc(bytes.TrimSuffix(line, []byte("\r")), isControl) {
		return true
	}
	words := bytes.FieldsFunc(line, func(r rune) bool { return r <= ' ' || r == 0x7f })
	if len(words) > 0 && isMethod(strings.ToUpper(string(words[0]))) {
		return true
	}
	return slices.ContainsFunc(words, isVersion)
}

// isVersion says whether a word is like HTTP/1.1.
func isVersion(word []byte) bool {
	name, number, ok := bytes.Cut(word, []byte("/"))
	letters := slices.ContainsFunc(name, func(c byte) bool { return c|0x20 < 'a' || c|0x20 > 'z' })
	return ok && len(name) > 0 && !letters && len(number) > 0 && '0' <= number[0] && number[0] <= '9'
}

// isControl is of characters other than those of space and line ends.
func isControl(c byte) bool { return c < ' ' && c != '\t' && c != '\r' && c != '\n' || c == 0x7f }

// isMethod says whether the word is a method of RFC 9110 or 5789, or the first of
// HTTP/2.
func isMethod(word string) bool {
	switch word {
	case "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "PRI":
		return true
	default:
		return false
	}
}

// named is what a request with this Host, if it has one, says by its target too.
func named(host, method, target string) egress.Said {
	said := egress.Said{Speech: egress.Sound}
	if host != "" {
		said.Hosts = []string{host}
	}
	authority := target
	switch {
	case method == "CONNECT":
	case strings.HasPrefix(target, "/"), method == "OPTIONS" && target == "*":
		return said
	default:
		scheme, rest, ok := strings.Cut(target, "://")
		if lower := strings.ToLower(scheme); !ok || lower != "http" && lower != "https" {
			return unsound("the request has a malformed target")
		}
		authority = rest
		if i := strings.IndexAny(rest, "/?#"); i >= 0 {
			authority = rest[:i]
		}
	}
	other := authorityHost(authority)
	if other == "" {
		return unsound("the request has a malformed target")
	}
	if other != host {
		said.Hosts = append(said.Hosts, other)
	}
	return said
}

// authorityHost is the host of "host:port"; empty, if it is none.
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
	return text != "" && !slices.ContainsFunc([]byte(text), func(c byte) bool { return !isTokenByte(c) })
}

func isTokenByte(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	default:
		return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
	}
}
