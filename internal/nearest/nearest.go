// Package nearest finds what a mistyped word was meant to be.
package nearest

import "strings"

// maxWord bounds the words that are compared, in bytes.
const maxWord = 64

// Name returns the one of names that word, in lower case, becomes by the fewest changes;
// empty when that takes too many.
func Name(word string, names []string) string {
	word = strings.ToLower(word)
	best, least := "", len(word)
	for _, name := range names {
		if len(word) > maxWord || len(name) > maxWord {
			continue
		}
		if d := Changes(word, name); d < least && d <= mostChanges(name) {
			best, least = name, d
		}
	}
	return best
}

// mostChanges is how many slips of a finger a name can have and still be told
// from another word.
func mostChanges(name string) int {
	switch {
	case len(name) < 2:
		return 0
	case len(name) < 6:
		return 1
	default:
		return 2
	}
}

// Changes counts how many letters to insert, delete, replace or swap with the
// next make b of a.
func Changes(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		for j := range rows[i] {
			switch {
			case i == 0 || j == 0:
				rows[i][j] = i + j
			default:
				cost := 1
				if a[i-1] == b[j-1] {
					cost = 0
				}
				rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
				if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
					rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
				}
			}
		}
	}
	return rows[len(a)][len(b)]
}
