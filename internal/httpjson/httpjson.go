// Package httpjson answers HTTP requests in JSON.
package httpjson

import (
	"encoding/json"
	"net/http"
)

// Answer sends body with the status. An asker that has gone gets nothing, and nobody
// is told.
func Answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}
