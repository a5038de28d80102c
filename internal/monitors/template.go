package monitors

import (
	"context"
	"errors"
	"os"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmm"
)

// OpenSaved opens the saved machine with this key. The caller closes it.
type OpenSaved func(key string) (vmm.Saved, error)

// Templates has starts go on from saved machines.
func (l *Launcher) Templates(open OpenSaved) *Launcher {
	l.saved = open
	return l
}

// openTemplate returns the files of the machine that spec is to go on from, in the order of their
// descriptors. One that cannot be opened is none to refuse a start for: the spec then has none.
func (l *Launcher) openTemplate(spec *vm.Spec) []*os.File {
	if spec.Template == nil {
		return nil
	}
	var saved vmm.Saved
	err := errors.New("no saved machines are kept here")
	if l.saved != nil {
		saved, err = l.saved(spec.Template.Key)
	}
	if err != nil {
		l.log.Warn("a template cannot be opened; the VM boots cold", "vm", spec.VMID, "template", spec.Template.Key, "err", err)
		spec.Template = nil
		return nil
	}
	return []*os.File{saved.State, saved.Memory}
}

func closeAll(files []*os.File) {
	for _, f := range files {
		_ = f.Close() // in memory
	}
}

// Save has a monitor of its own boot the machine of spec in dir, and save it there when its
// agent waits for an identity: see statedir.VM.Saved. It returns when the monitor has ended. When it fails,
// also since ctx ends, nothing runs.
func (l *Launcher) Save(ctx context.Context, dir statedir.VM, spec vm.Spec) error {
	if err := prepare(dir, spec); err != nil {
		return err
	}
	cmd, word, err := l.spawn(dir, spec, nil)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() }) // its VMM dies with it
	defer stop()
	err = await(ctx, word)
	ended := cmd.Wait()
	if err == nil && ended != nil {
		err = fault.Wrap(fault.Unavailable, ended, "the machine's monitor failed")
	}
	return err
}
