package catalog

import (
	"encoding/json"
	"strings"
	"testing"
)

// FuzzParse: what Parse takes, Merge can read, and it says the same when written again.
func FuzzParse(f *testing.F) {
	f.Add([]byte(versioned(3)))
	f.Add([]byte(`{"format":1,"version":1,"expires":"2030-01-01T00:00:00Z","images":[{"name":"x"},[]],"kernels":[null,{"name":1}]}`))
	f.Add([]byte(`{"format":9,"version":1}`))
	f.Add(Builtin())
	f.Add([]byte(`{"format":1,"version":9223372036854775807,"expires":"0001-01-01T00:00:00Z","kernels":[{"name":"a"},{"name":"a"},{"name":""}],"new":{}}`))
	f.Add([]byte(`{"format":1,"version":1,"version":2,"Kernels":[{"NAME":"\ud800"}],"images":null}`))
	f.Add([]byte(`{"format":1,"version":1,"kernels":[` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := Parse(data)
		if err != nil {
			return
		}
		found, problems := Merge[entry]([]Catalog{{Document: d}}, func(d Document) []json.RawMessage { return d.Kernels })
		if len(found)+len(problems) > len(d.Kernels) {
			t.Errorf("%d entries and %d problems of %d kernels", len(found), len(problems), len(d.Kernels))
		}
		again, err := json.Marshal(d)
		if err != nil {
			return // times that have no text
		}
		if e, err := Parse(again); err != nil && len(again) <= MaxBytes || err == nil && e.Version != d.Version {
			t.Errorf("written again: %v, version %d of %d", err, e.Version, d.Version)
		}
	})
}

// FuzzSignature: what was signed holds, and nothing else does, whatever is made of its signature.
func FuzzSignature(f *testing.F) {
	src := Source{URL: at, Key: "RWRESMeipNTaYYRqRbDXvGwuKa1ns+Jx8zeJT+JkscQXEF55m5qZsRQX"}
	const signed = "x"
	const good = "untrusted comment: signature from private key: 61DAD4A4A2C74844\n" +
		"RWRESMeipNTaYeUIl2wO/xmv9LuWCZVZsN2MwedS39hfIptmbTceDMagfHxmYg3mF3p9sSvOTgqxL4wxRS+cmqdGlrHucL2J8AE=\n" +
		"trusted comment: timestamp:1795970843\n" +
		"o3QtbMvIz9zYNKdMXS0KufZunsY8+3i3uwaJUjC3bc5zfURL3FshUprTCBpizyjLPesbzpOTDHn3kMTW+hIbDg==\n"
	if _, err := src.Verify([]byte(signed), []byte(good)); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(signed), []byte(good))
	f.Add([]byte("y"), []byte(good))
	f.Add([]byte(signed), []byte(""))
	f.Add([]byte(signed), []byte(strings.ReplaceAll(good, "\n", "\r\n")))
	f.Add([]byte(signed), []byte(strings.TrimSuffix(good, "\n")))
	f.Add([]byte(signed), []byte(good+good))
	f.Add([]byte(signed), []byte(strings.Replace(good, "timestamp:1795970843", "timestamp:1795970844", 1)))
	f.Add([]byte(signed), []byte(strings.Replace(good, "\nRWRE", "\nRUQE", 1))) // of the text itself, not of its hash
	f.Add([]byte(signed), []byte(strings.Replace(good, "private key: 61DAD4A4A2C74844", "another", 1)))
	f.Fuzz(func(t *testing.T, data, sig []byte) {
		trust, err := src.Verify(data, sig)
		if err == nil && (string(data) != signed || !strings.Contains(strings.ReplaceAll(string(sig), "\r\n", "\n"), "timestamp:1795970843\n")) {
			t.Errorf("%q holds for %q: %s", sig, data, trust)
		}
	})
}

// FuzzURL: what is taken stays https or a file of this host, and never leads from the network to a file.
func FuzzURL(f *testing.F) {
	f.Add(at, "../k.tar.zst")
	f.Add("file:///a/b", "file:///c")
	f.Add(at, "FILE:///etc/passwd")
	f.Add(at, "//x:1/y?z#f")
	f.Fuzz(func(t *testing.T, from, ref string) {
		if CheckURL(from) != nil {
			return
		}
		got, err := Resolve(from, ref)
		if err != nil {
			return
		}
		if err := CheckURL(got); err != nil {
			t.Errorf("Resolve(%q, %q) = %q: %v", from, ref, got, err)
		}
		if from[0]|0x20 == 'h' && got[0] != 'h' {
			t.Errorf("Resolve(%q, %q) = %q", from, ref, got)
		}
	})
}
