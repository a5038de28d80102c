package portspec

import (
	"testing"

	"github.com/bangervm/banger/internal/api"
)

// What is listed can be typed again.
func TestPublishReadsWhatItPrints(t *testing.T) {
	for text, want := range map[string]api.Publish{
		"8080:80":         {Proto: "tcp", HostPort: 8080, GuestPort: 80},
		"0:53/udp":        {Proto: "udp", GuestPort: 53},
		"127.0.0.1:1:2":   {Proto: "tcp", HostAddress: "127.0.0.1", HostPort: 1, GuestPort: 2},
		"[::1]:1:2/udp":   {Proto: "udp", HostAddress: "::1", HostPort: 1, GuestPort: 2},
		"0.0.0.0:0:65535": {Proto: "tcp", HostAddress: "0.0.0.0", GuestPort: 65535},
	} {
		p, err := ParsePublish(text)
		if err != nil || p != want || PublishText(p) != text {
			t.Errorf("%q: %+v, %q, %v", text, p, PublishText(p), err)
		}
	}
}

func TestForwardForms(t *testing.T) {
	for text, want := range map[string]api.Forward{
		"8080:80":                       {Proto: "tcp", Host: ":8080", Guest: "80"},
		"8080:10.0.0.1:80":              {Proto: "tcp", Host: ":8080", Guest: "10.0.0.1:80"},
		"127.0.0.1:8080:80/tcp":         {Proto: "tcp", Host: "127.0.0.1:8080", Guest: "80"},
		"[::1]:1:[::1]:2/udp":           {Proto: "udp", Host: "[::1]:1", Guest: "[::1]:2"},
		"127.0.0.1::80":                 {Proto: "tcp", Host: "127.0.0.1:0", Guest: "80"},
		"/a/b.sock:/c/udp":              {Proto: "unix", Host: "/a/b.sock", Guest: "/c/udp"},
		"80:/udp":                       {Proto: "unix", Host: ":80", Guest: "/udp"},
		"/run/1/s:127.0.0.1:5432":       {Proto: "unix", Host: "/run/1/s", Guest: "127.0.0.1:5432"},
		"run/s:80":                      {Proto: "unix", Host: "run/s", Guest: "80"},
		"[::1]:22:/run/openssh/sock/22": {Proto: "unix", Host: "[::1]:22", Guest: "/run/openssh/sock/22"},
	} {
		if got, err := ParseForward(text); err != nil || got != want {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", ":", "80", "80:", "::1:80:80", "80:80:80", "80:localhost:80", "1.2.3.4:80", "80:1.2.3.4", "80:80/", "/a", "/a:/b/udp:1", "80:b/c", "[::1:80:80", "8080:-1", "8080:65536"} {
		if got, err := ParseForward(text); err == nil {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}

func FuzzForward(f *testing.F) {
	f.Add("[::1]:8080:/run/x.sock")
	f.Add("1:2/udp")
	f.Fuzz(func(t *testing.T, text string) {
		w, err := ParseForward(text)
		if err != nil || w.Host[0] == ':' { // no address yet
			return
		}
		again, err := ParseForward(ForwardText(w))
		if err != nil || again != w {
			t.Errorf("%q is %+v, and printed %+v, %v", text, w, again, err)
		}
	})
}
