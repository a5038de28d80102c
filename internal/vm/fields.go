package vm

import (
	"github.com/bangervm/banger/internal/egress"
)

// Fields are what is asked for a VM, as far as each can be judged by itself: before a daemon
// is asked, which also knows what is taken. What is nil is not judged.
type Fields struct {
	Name                   *string
	VCPU                   *int
	MemoryBytes, DiskBytes *int64
	Env                    []string
	Labels                 map[string]string
	Publish                []Publish
	Egress                 *string
}

// Wrong returns the fault of each field that has one, by its name on the wire.
func (f Fields) Wrong(host HostFacts) map[string]error {
	wrong := map[string]error{}
	note := func(field string, err error) {
		if err != nil {
			wrong[field] = err
		}
	}
	if f.Name != nil {
		note("name", ValidateName(*f.Name))
	}
	if f.VCPU != nil {
		note("vcpu", validateVCPU(*f.VCPU, host))
	}
	if f.MemoryBytes != nil {
		note("memory_bytes", validateMemory(*f.MemoryBytes, host))
	}
	if f.DiskBytes != nil {
		note("disk_bytes", validateDisk(*f.DiskBytes, host))
	}
	if f.Egress != nil {
		_, err := egress.Parse(*f.Egress)
		note("egress", err)
	}
	_, err := completePublish(f.Publish)
	note("publish", err)
	note("env", validateEnv(f.Env))
	note("labels", validateLabels(f.Labels))
	return wrong
}
