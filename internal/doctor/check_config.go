package doctor

import (
	"errors"
	"io/fs"
	"os"

	"github.com/bangervm/banger/internal/fault"
)

// Config is what to say of the configuration, for the report of who read it: file is the
// path of config.toml, sshKey the key that it names, if any, and err why it cannot be used.
func Config(file, sshKey string, err error) Finding {
	if err != nil {
		remedy := fault.HintOf(err)
		if len(remedy) == 0 {
			remedy = fault.Hintf("fix %s or the BANGER_ variable named above", file)
		}
		return Finding{Name: "config", Status: Fail, Reason: err.Error(), Remedy: remedy}
	}
	if sshKey != "" {
		if _, err := os.Stat(sshKey); err != nil {
			return Finding{
				Name: "config", Status: Fail, Reason: "cannot use ssh_key: " + err.Error(),
				Remedy: fault.Hintf("set ssh_key in %s (or BANGER_SSH_KEY) to an existing private key, or remove it", file),
			}
		}
	}
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
		return Finding{Name: "config", Status: OK, Reason: "defaults (" + file + " does not exist)"}
	}
	return Finding{Name: "config", Status: OK, Reason: file}
}
