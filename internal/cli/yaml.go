package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
)

// yamlFromJSON writes JSON as block-style YAML 1.2, keys in their order. Every
// string that could be read as anything else is quoted as JSON quotes it, which
// YAML reads alike.
func yamlFromJSON(data []byte) (string, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	w := yamlWriter{dec: dec}
	if err := w.value(0, false); err != nil {
		return "", err
	}
	if _, err := dec.Token(); err != io.EOF {
		return "", fmt.Errorf("more than one JSON value")
	}
	return w.b.String(), nil
}

type yamlWriter struct {
	dec *json.Decoder
	b   strings.Builder
}

// value writes the next value, whose lines are indented by depth. inline says
// that the cursor stands behind "key:" (true) or "- " or a line's start.
func (w *yamlWriter) value(depth int, inline bool) error {
	tok, err := w.dec.Token()
	if err != nil {
		return err
	}
	delim, isDelim := tok.(json.Delim)
	if !isDelim {
		if inline {
			w.b.WriteByte(' ')
		}
		text, err := yamlScalar(tok)
		if err != nil {
			return err
		}
		w.b.WriteString(text + "\n")
		return nil
	}
	if !w.dec.More() {
		if inline {
			w.b.WriteByte(' ')
		}
		w.b.WriteString(map[json.Delim]string{'[': "[]\n", '{': "{}\n"}[delim])
		_, err := w.dec.Token()
		return err
	}
	if inline {
		w.b.WriteByte('\n')
	}
	for first := true; w.dec.More(); first = false {
		if !first || inline {
			w.b.WriteString(strings.Repeat("  ", depth))
		}
		if err := w.member(delim, depth); err != nil {
			return err
		}
	}
	_, err = w.dec.Token()
	return err
}

func (w *yamlWriter) member(delim json.Delim, depth int) error {
	if delim == '[' {
		w.b.WriteString("- ")
		return w.value(depth+1, false)
	}
	key, err := w.dec.Token()
	if err != nil {
		return err
	}
	text, err := yamlScalar(key)
	if err != nil {
		return err
	}
	w.b.WriteString(text + ":")
	return w.value(depth+1, true)
}

func yamlScalar(tok json.Token) (string, error) {
	if s, ok := tok.(string); ok && plainYAML(s) {
		return s, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tok); err != nil {
		return "", err
	}
	return escapeUnseen(strings.TrimSuffix(b.String(), "\n"), `\U%08x`), nil
}

// plainYAML reports whether s needs no quotes: a word that no YAML version
// reads as a number, a boolean, a null or a date.
func plainYAML(s string) bool {
	if s == "" {
		return false
	}
	for i, r := range s {
		letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_' || r == '/'
		digit := r >= '0' && r <= '9' || r == '-' || r == '.'
		if !letter && (i == 0 || !digit) {
			return false
		}
	}
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return false
	}
	return true
}

func quote(s string) string { return fmt.Sprintf("%q", s) }
