package client

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

func TestWhatIsNotUTF8IsRefused(t *testing.T) {
	_, err := request(t.Context(), http.MethodPost, "/v1/x", api.Exec{Command: []string{"cat", "caf\xe9"}, Dir: "/"})
	if fault.CodeOf(err) != fault.Invalid || !strings.Contains(err.Error(), `"caf?" is not UTF-8`) {
		t.Errorf("got %v; want Invalid, with the value", err)
	}
	for _, fine := range []string{"café", "\ufffd", `\ufffd`, `\\ufffd`, "\x00", `"`} {
		if _, err := request(t.Context(), http.MethodPost, "/v1/x", api.Exec{Command: []string{fine}}); err != nil {
			t.Errorf("%q: %v", fine, err)
		}
	}
}

func TestAlteredTextsAreFound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOf(rapid.Map(rapid.SliceOf(rapid.SampledFrom([]string{
			"a", `\`, `"`, "u", "fffd", "\ufffd", "\xff", "é", "<", "\n",
		})), func(parts []string) string { return strings.Join(parts, "") })).Draw(t, "words")
		data, err := json.Marshal(words)
		if err != nil {
			t.Fatal(err)
		}
		want := false
		for _, w := range words {
			want = want || !utf8.ValidString(w)
		}
		if _, got := altered(data); got != want {
			t.Errorf("altered(%s) = %v, want %v", data, got, want)
		}
	})
}
