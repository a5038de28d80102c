package client

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"
)

// altered finds a text that encoding/json could not write as it was, since it
// is not UTF-8: the escape that stands for what is wrong in it is written for
// nothing else.
func altered(data []byte) (text string, ok bool) {
	const mark = `\ufffd`
	if !bytes.Contains(data, []byte(mark)) {
		return "", false
	}
	for at := 0; at < len(data); {
		if data[at] != '"' {
			at++
			continue
		}
		end, wrong := at+1, false
		for ; end < len(data) && data[end] != '"'; end++ {
			if data[end] == '\\' {
				wrong = wrong || bytes.HasPrefix(data[end:], []byte(mark))
				end++
			}
		}
		if wrong && json.Unmarshal(data[at:end+1], &text) == nil {
			return strings.ReplaceAll(text, string(utf8.RuneError), "?"), true
		}
		at = end + 1
	}
	return "", false
}
