package agentrpc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestAnswersOfAnAgentAreChecked(t *testing.T) {
	exit := func(p string) error { _, err := agentrpc.ParseExit([]byte(p)); return err }
	failure := func(p string) error { _, _, err := agentrpc.ParseError([]byte(p)); return err }
	output := func(p string) error { _, err := agentrpc.ParseOutput([]byte(p)); return err }
	for name, tc := range map[string]struct {
		err  error
		good bool
	}{
		"exit 0":              {exit("\x00\x00\x00\x00"), true},
		"exit 255":            {exit("\x00\x00\x00\xff"), true},
		"exit 256":            {exit("\x00\x00\x01\x00"), false},
		"exit -1":             {exit("\xff\xff\xff\xff"), false},
		"exit of three bytes": {exit("\x00\x00\x00"), false},
		"exit of five bytes":  {exit("\x00\x00\x00\x00\x00"), false},
		"exit of none":        {exit(""), false},
		"error 127":           {failure("\x00\x00\x00\x7fwhy"), true},
		"error 125":           {failure("\x00\x00\x00\x7d"), true},
		"error 124":           {failure("\x00\x00\x00\x7c"), false},
		"error 128":           {failure("\x00\x00\x00\x80"), false},
		"error 0":             {failure("\x00\x00\x00\x00"), false},
		"error, cut short":    {failure("\x00\x00\x7f"), false},
		"output":              {output("x"), true},
		"the most output":     {output(strings.Repeat("x", agentrpc.MaxFrame)), true},
		"output of no bytes":  {output(""), false},
	} {
		if tc.good != (tc.err == nil) || !tc.good && !errors.Is(tc.err, agentrpc.ErrFrame) {
			t.Errorf("%s: %v", name, tc.err)
		}
	}
}

func TestAnAgentsReasonIsBounded(t *testing.T) {
	_, message, err := agentrpc.ParseError([]byte("\x00\x00\x00\x7f" + strings.Repeat("é", agentrpc.MaxFrame/2-2)))
	if err != nil || len(message) != 4<<10 || strings.Trim(message, "é") != "" {
		t.Errorf("%d bytes, %v", len(message), err)
	}
	if _, message, err = agentrpc.ParseError([]byte("\x00\x00\x00\x7f\xff")); err != nil || message != "?" {
		t.Errorf("%q, %v", message, err)
	}
}
