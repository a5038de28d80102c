package client

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/bangervm/banger/internal/fault"
)

func TestAnExportIsAsLongAsAnnounced(t *testing.T) {
	torn := errors.New("torn")
	for name, c := range map[string]struct {
		sent io.Reader
		want string
		err  string
	}{
		"whole":    {strings.NewReader("patch"), "patch", ""},
		"in parts": {iotest.DataErrReader(iotest.OneByteReader(strings.NewReader("patch"))), "patch", ""},
		"more":     {strings.NewReader("patches"), "patch", ""},
		"less":     {strings.NewReader("pat"), "pat", "the export ended after 3 of 5 bytes"},
		"broken":   {io.MultiReader(strings.NewReader("pa"), iotest.ErrReader(torn)), "pa", "broke: torn"},
	} {
		e := &export{body: io.NopCloser(c.sent), left: 5, size: 5, broke: func(err error) error {
			return fault.Wrap(fault.Unavailable, err, "broke")
		}}
		got, err := io.ReadAll(e)
		if string(got) != c.want || (c.err == "") != (err == nil) || err != nil && (err.Error() != c.err || !errors.Is(err, fault.Unavailable)) {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
