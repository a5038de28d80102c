package agentrpc_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/agentrpc"
)

func TestListsOfAGuestAreBounded(t *testing.T) {
	many := func(n int) string { return "[" + strings.Repeat("{},", n-1) + "{}]" }
	for name, tc := range map[string]struct {
		text string
		into any
		ok   bool
	}{
		"sockets":           {`{"listening":{"sockets":` + many(agentrpc.MaxListening) + `}}`, &agentrpc.GuestMessage{}, true},
		"too many sockets":  {`{"listening":{"sockets":` + many(agentrpc.MaxListening+1) + `}}`, &agentrpc.GuestMessage{}, false},
		"no sockets":        {`{"listening":{}}`, &agentrpc.GuestMessage{}, true},
		"sessions":          {`{"agent":"a","sessions":` + many(agentrpc.MaxSessions) + `}`, &agentrpc.SessionEvent{}, true},
		"too many sessions": {`{"agent":"a","sessions":` + many(agentrpc.MaxSessions+1) + `}`, &agentrpc.SessionEvent{}, false},
		"null":              {`{"sessions":null}`, &agentrpc.SessionEvent{}, true},
		"no list":           {`{"sessions":7}`, &agentrpc.SessionEvent{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := json.Unmarshal([]byte(tc.text), tc.into); (err == nil) != tc.ok {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestListsComeBackAsTheyWent(t *testing.T) {
	listening := agentrpc.Listening{Sockets: []agentrpc.Socket{{Proto: "tcp", Address: "::", Port: 80, V6Only: true, Owner: agentrpc.Owner{PID: 7, Command: "x y"}}}}
	event := agentrpc.SessionEvent{Agent: "a", Snapshot: true, Sessions: []agentrpc.SessionInfo{{ID: "x", State: agentrpc.SessionExited, ExitCode: 3, StdinClosed: true}}}
	for _, tc := range []struct{ sent, got any }{{&listening, &agentrpc.Listening{}}, {&event, &agentrpc.SessionEvent{}}} {
		data, err := json.Marshal(tc.sent)
		if err == nil {
			err = json.Unmarshal(data, tc.got)
		}
		if err != nil || !reflect.DeepEqual(tc.got, tc.sent) {
			t.Errorf("%+v came back as %+v, %v", tc.sent, tc.got, err)
		}
	}
}
