// Package configure turns an anonymous machine into a VM: it mounts the disks
// and writes what Configure says into the tree that becomes the root.
package configure

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/bangervm/banger/internal/agent/device"
	"github.com/bangervm/banger/internal/agent/inits"
	"github.com/bangervm/banger/internal/agentrpc"
	"github.com/bangervm/banger/internal/plain"
)

// Where the disks are mounted in the initramfs; none is reachable after the
// switch of the root.
const (
	dirImage  = "/banger/image"
	DirVM     = "/banger/vm"
	dirCovers = "/banger/covers"
	dirRescue = "/banger/rescue"
	dirRun    = "/banger/run"
	// Root is the tree that becomes the guest's root.
	Root = "/banger/root"
)

// Result is a configured tree at Root, not entered yet.
type Result struct {
	Init inits.Found
	// Sweep removes what a reset put aside. It may take long, needs no path, and
	// may run at any time. It is nil when there is nothing.
	Sweep func() error
	// LoadLate loads the kernel modules that no boot waits for. It needs no path,
	// and may run at any time.
	LoadLate func() error
	// Without6 says that the kernel has no IPv6, which Configure's network has.
	Without6 bool
	// Notes say what the guest does without, and why.
	Notes []string
}

// StepError says which step failed.
type StepError struct {
	Step string
	Err  error
}

// Error is the cause's.
func (e *StepError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *StepError) Unwrap() error { return e.Err }

// need says who does without a step that fails.
type need int

const (
	always   need = iota // nobody: there is no guest without it
	normally             // a rescue: somebody wants in, to repair what fails
	wished               // every guest: few need it
)

type step struct {
	name string
	need need
	run  func(ctx context.Context) error
}

// Run carries out cfg. begin is told each step's name when it begins. Nothing is
// undone on failure: the machine then goes down. The error is a *StepError.
func Run(ctx context.Context, cfg *agentrpc.Configure, begin func(step string)) (Result, error) {
	c := &configuring{cfg: cfg, tree: tree{root: Root, covers: dirCovers}}
	return c.carryOut(ctx, []step{
		{"entropy", wished, c.entropy},
		{"clock", wished, c.clock},
		{"modules", always, c.modules},
		{"disks", always, c.disks},
		{"root", always, c.root},
		{"homes", normally, c.homes},
		// Which /run there is depends on PID 1. Links of the image may lead into /run,
		// so that what is mounted at a path of the image comes behind it.
		{"init", normally, c.chooseInit},
		{"system", normally, c.system},
		{"volumes", wished, c.volumes},
		{"kernel-modules", wished, c.kernelModules},
		{"working-directory", wished, c.workingDir},
		{"image-volumes", wished, c.imageVolumes},
		{"identity", wished, c.identity},
		{"files", wished, c.files},
		{"network", normally, c.network},
	}, begin)
}

func (c *configuring) carryOut(ctx context.Context, steps []step, begin func(step string)) (Result, error) {
	if c.cfg.Init.Rescue {
		c.note("this start is a rescue: the agent is PID 1, and no service of the image was started")
	}
	for _, s := range steps {
		begin(s.name)
		err := s.run(ctx)
		switch {
		case err == nil:
		case ctx.Err() == nil && (s.need == wished || s.need == normally && c.cfg.Init.Rescue):
			c.note("%s: %v", s.name, err)
		default:
			return Result{}, &StepError{s.name, err}
		}
	}
	return c.result, nil
}

// note says what the guest goes on without. Those beyond the bound are dropped.
func (c *configuring) note(format string, args ...any) {
	text := guestPaths(fmt.Sprintf(format, args...))
	if len(c.result.Notes) < agentrpc.MaxNotes {
		c.result.Notes = append(c.result.Notes, plain.Line(text, agentrpc.MaxNote))
	}
}

// guestPaths writes paths below Root as the guest will have them.
func guestPaths(text string) string { return strings.ReplaceAll(text, Root+"/", "/") }

type configuring struct {
	cfg    *agentrpc.Configure
	tree   tree
	result Result
	// kernel is the running kernel's version; set by modules.
	kernel string
}

func (c *configuring) entropy(context.Context) error {
	if len(c.cfg.Entropy) == 0 {
		return nil
	}
	return AddEntropy(c.cfg.Entropy)
}

func (c *configuring) clock(context.Context) error { return SetClock(c.cfg.UnixNano) }

func (c *configuring) modules(context.Context) error {
	list, err := device.Modules()
	if err != nil {
		return err
	}
	if c.kernel, err = kernelVersion(); err != nil {
		return err
	}
	if err := device.LoadModules(list.Late, list); err != nil {
		return err
	}
	c.result.LoadLate, err = device.OpenLate(list)
	return err
}

func (c *configuring) chooseInit(context.Context) (err error) {
	mode := c.cfg.Init.Mode
	if c.cfg.Init.Rescue {
		mode = agentrpc.InitAgent
	}
	c.result.Init, err = inits.Choose(c.tree.root, mode, c.cfg.Program)
	return err
}

func kernelVersion() (string, error) {
	data, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return "", fmt.Errorf("read the kernel's version: %w", err)
	}
	return trimLine(data), nil
}
