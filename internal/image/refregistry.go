package image

import "strings"

// parseRegistryRef parses [HOST[:PORT]/]PATH[:TAG][@DIGEST] by the grammar of
// the OCI distribution specification and of docker's references.
func parseRegistryRef(s string) (Ref, error) {
	ref := Ref{Kind: Registry}
	name, digest, hasDigest := strings.Cut(s, "@")
	if hasDigest {
		if !ValidDigest(digest) {
			return Ref{}, invalidRef(s, "the digest "+quote(digest)+" is not sha256: and 64 hex digits")
		}
		ref.Digest = digest
	}
	if i := strings.LastIndexByte(name, ':'); i >= 0 && !strings.ContainsRune(name[i:], '/') {
		name, ref.Tag = name[:i], name[i+1:]
		if !validTag(ref.Tag) {
			return Ref{}, invalidRef(s, "the tag "+quote(ref.Tag)+" is not valid")
		}
	}
	ref.Repository = name
	path := name
	if host, rest, found := strings.Cut(name, "/"); found && isHost(host) {
		if !validHost(host) {
			return Ref{}, invalidRef(s, quote(host)+" is not a registry's host")
		}
		path = rest
	}
	if len(path) == 0 || len(path) > 255 {
		return Ref{}, invalidRef(s, "a repository's name has 1 to 255 characters")
	}
	for component := range strings.SplitSeq(path, "/") {
		if !validComponent(component) {
			return Ref{}, invalidRef(s, quote(component)+" is not lower-case letters and digits, with single . _ - between them")
		}
	}
	return ref, nil
}

// isHost tells a registry's host from the first part of a repository's name.
func isHost(s string) bool {
	return s == "localhost" || strings.ContainsAny(s, ".:[")
}

// validHost reports whether s is NAME[:PORT], or [IPV6][:PORT].
func validHost(s string) bool {
	allowed := ".-"
	name, port, hasPort := strings.Cut(s, ":")
	if rest, found := strings.CutPrefix(s, "["); found {
		var after string
		name, after, found = strings.Cut(rest, "]")
		port, hasPort = strings.CutPrefix(after, ":")
		if !found || after != "" && !hasPort {
			return false
		}
		allowed = ":."
	}
	for _, c := range []byte(name) {
		if !isLower(c) && !isDigit(c) && (c < 'A' || c > 'Z') && !strings.ContainsRune(allowed, rune(c)) {
			return false
		}
	}
	return name != "" && (!hasPort || port != "" && len(port) <= 5 && strings.Trim(port, "0123456789") == "")
}

func validTag(s string) bool {
	if s == "" || len(s) > 128 || s[0] == '.' || s[0] == '-' {
		return false
	}
	for _, c := range []byte(s) {
		if !isLower(c) && !isDigit(c) && (c < 'A' || c > 'Z') && c != '_' && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

// validComponent reports whether s is runs of letters and digits with one
// separator between them: a dot, one or two underscores, or any dashes.
func validComponent(s string) bool {
	if s == "" || !isAlnum(s[0]) || !isAlnum(s[len(s)-1]) {
		return false
	}
	for i := 0; i < len(s); {
		if isAlnum(s[i]) {
			i++
			continue
		}
		start := i
		for !isAlnum(s[i]) {
			i++
		}
		if sep := s[start:i]; sep != "." && sep != "_" && sep != "__" && strings.Trim(sep, "-") != "" {
			return false
		}
	}
	return true
}

// ValidDigest reports whether s is sha256: and 64 lower-case hex digits.
func ValidDigest(s string) bool {
	hex, found := strings.CutPrefix(s, "sha256:")
	return found && len(hex) == 64 && isHex(hex)
}

func isHex(s string) bool {
	for _, c := range []byte(s) {
		if !isDigit(c) && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func isLower(c byte) bool { return c >= 'a' && c <= 'z' }
func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlnum(c byte) bool { return isLower(c) || isDigit(c) }
