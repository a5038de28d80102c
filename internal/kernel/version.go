package kernel

import (
	"cmp"
	"strings"
)

// CompareVersions orders kernel versions as their makers mean them: numbers by
// value (6.1.0-9 is before 6.1.0-56), a release candidate before its release
// (6.7.0-rc3 is before 6.7.0), a rebuild after what it rebuilds (6.6.52_2 is
// after 6.6.52_1). It returns a negative number, 0 or a positive number.
func CompareVersions(a, b string) int {
	ta, tb := versionTokens(a), versionTokens(b)
	for i := range max(len(ta), len(tb)) {
		if c := compareTokens(tokenAt(ta, i), tokenAt(tb, i)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a, b)
}

// versionTokens splits a version into its runs of digits (without leading
// zeros) and its runs of letters. Separators only separate.
func versionTokens(v string) []string {
	var tokens []string
	for len(v) > 0 {
		class := classOf(v[0])
		n := 1
		for n < len(v) && classOf(v[n]) == class {
			n++
		}
		switch class {
		case classDigit:
			run := strings.TrimLeft(v[:n], "0")
			if run == "" {
				run = "0"
			}
			tokens = append(tokens, run)
		case classLetter:
			tokens = append(tokens, v[:n])
		default:
		}
		v = v[n:]
	}
	return tokens
}

type charClass int

const (
	classSeparator charClass = iota
	classLetter
	classDigit
)

func classOf(c byte) charClass {
	switch {
	case c >= '0' && c <= '9':
		return classDigit
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z':
		return classLetter
	default:
		return classSeparator
	}
}

func tokenAt(tokens []string, i int) string {
	if i < len(tokens) {
		return tokens[i]
	}
	return ""
}

// compareTokens ranks "rc" lowest, then the end of a version, then letters,
// then numbers.
func compareTokens(a, b string) int {
	if c := cmp.Compare(tokenRank(a), tokenRank(b)); c != 0 {
		return c
	}
	if tokenRank(a) == rankNumber {
		if c := cmp.Compare(len(a), len(b)); c != 0 {
			return c
		}
	}
	return cmp.Compare(a, b)
}

const (
	rankCandidate = iota
	rankEnd
	rankWord
	rankNumber
)

func tokenRank(t string) int {
	switch {
	case t == "":
		return rankEnd
	case t == "rc":
		return rankCandidate
	case classOf(t[0]) == classDigit:
		return rankNumber
	default:
		return rankWord
	}
}
