// Package jsonlist decodes JSON arrays whose sender is not trusted: two bytes of
// JSON can make hundreds of bytes of memory.
package jsonlist

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Decode returns the elements of a JSON array, or nil for null or no data. An
// array of more than limit elements is an error; no more of them are decoded.
func Decode[T any](data []byte, limit int) ([]T, error) {
	dec := json.NewDecoder(bytes.NewReader(data))
	if len(data) == 0 {
		return nil, nil
	}
	start, err := dec.Token()
	if err != nil || start == nil {
		return nil, err
	}
	if start != json.Delim('[') {
		return nil, fmt.Errorf("%v is not an array", start)
	}
	all := []T{}
	for dec.More() {
		if len(all) == limit {
			return nil, fmt.Errorf("an array of more than %d elements", limit)
		}
		var one T
		if err := dec.Decode(&one); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	_, err = dec.Token()
	return all, err
}
