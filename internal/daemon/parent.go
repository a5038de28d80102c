package daemon

import (
	"encoding/json"
	"os"
	"strconv"
	"syscall"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
)

// parent is whoever started this daemon and waits to be told how that went
// (see api.ReadyEnv); nobody, when it did not ask.
type parent struct{ pipe *os.File }

func openParent() *parent {
	value, asked := os.LookupEnv(api.ReadyEnv)
	_ = os.Unsetenv(api.ReadyEnv)
	fd, err := strconv.Atoi(value)
	if !asked || err != nil || fd < 3 {
		return &parent{}
	}
	var stat syscall.Stat_t
	if syscall.Fstat(fd, &stat) != nil || stat.Mode&syscall.S_IFMT != syscall.S_IFIFO {
		return &parent{}
	}
	syscall.CloseOnExec(fd)
	return &parent{pipe: os.NewFile(uintptr(fd), "parent")}
}

func (p *parent) ready() { p.say(api.ReadyLine) }

// failed tells why the start came to nothing. After ready it tells nobody.
func (p *parent) failed(err error) {
	if err == nil {
		return
	}
	line, encErr := json.Marshal(fault.ProblemOf(err))
	if encErr == nil {
		p.say(string(line))
	}
}

func (p *parent) say(line string) {
	if p.pipe == nil {
		return
	}
	_, _ = p.pipe.WriteString(line + "\n")
	_ = p.pipe.Close()
	p.pipe = nil
}
