package config

import (
	"strings"
	"testing"
)

func TestTUIKeys(t *testing.T) {
	for name, tc := range map[string]struct{ keys, wrong string }{
		"another key":        {`delete = "ctrl-x"`, ""},
		"several":            {`down = "j,down,ctrl-n"`, ""},
		"none":               {`delete = ""`, ""},
		"an unknown action":  {`deleet = "x"`, `unknown action of tui.keys "deleet"`},
		"a taken key":        {`delete = "q"`, `tui.keys.quit: the key q already does delete`},
		"ctrl-c":             {`delete = "ctrl-c"`, "the key ctrl-c already does quit, always"},
		"a digit":            {`delete = "1"`, `tui.keys.delete: "1" is not a key`},
		"an escape sequence": {`delete = "\u001b[2J"`, "is not a key"},
		"no text":            {`delete = 1`, "is not a string"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, from := Default(), Sources{}
			err := cfg.applyFile([]byte("[tui.keys]\n"+tc.keys+"\n"), from)
			if err == nil {
				err = cfg.validate()
			}
			switch {
			case tc.wrong == "" && err != nil:
				t.Error(err)
			case tc.wrong != "" && (err == nil || !strings.Contains(err.Error(), tc.wrong)):
				t.Errorf("error %v, want %q", err, tc.wrong)
			case tc.wrong == "" && from["tui"] != FromFile:
				t.Errorf("source %q", from["tui"])
			}
		})
	}
}
