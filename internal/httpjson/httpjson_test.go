package httpjson_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/bangervm/banger/internal/httpjson"
)

func TestAnswer(t *testing.T) {
	w := httptest.NewRecorder()
	httpjson.Answer(w, http.StatusConflict, map[string]int{"a": 1})
	if w.Code != http.StatusConflict || w.Header().Get("Content-Type") != "application/json" || w.Body.String() != "{\"a\":1}\n" {
		t.Errorf("%d, %v, %q", w.Code, w.Header(), w.Body)
	}
}
