package kmod

import (
	"slices"
	"strings"
)

// want is a module that the agent loads.
type want struct {
	name     string
	required bool
}

// bootWants are needed before the agent can reach the host.
func bootWants() []want {
	return []want{
		{"virtio_mmio", true},
		{"virtio_console", true},
		{"virtio_rng", false},
		{"vmw_vsock_virtio_transport", false},
	}
}

// lateWants are needed to give the guest its disks and its network. They are
// loaded only at Configure: until then a saved machine may get other disks.
func lateWants() []want {
	return []want{
		{"virtio_blk", true},
		{"ext4", true},
		{"overlay", true},
		{"virtio_net", false},
	}
}

// plan returns the files of the modules to load at once and at Configure, each
// list in load order. What is built in is in neither.
func (ix *index) plan() (boot, late []string, err error) {
	boot, err = ix.order(bootWants(), nil)
	if err != nil {
		return nil, nil, err
	}
	late, err = ix.order(lateWants(), boot)
	return boot, late, err
}

// order returns the files of wants and of all they depend on, without those
// that are loaded already.
func (ix *index) order(wants []want, loaded []string) ([]string, error) {
	var files []string
	visited := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		file, ok := ix.path[name]
		if visited[name] || !ok {
			return
		}
		visited[name] = true
		for _, soft := range ix.pre[name] {
			visit(ix.resolve(soft))
		}
		for _, dep := range slices.Backward(ix.deps[name]) {
			visit(dep)
		}
		if !slices.Contains(loaded, file) {
			files = append(files, file)
		}
	}
	for _, w := range wants {
		name := strings.ReplaceAll(w.name, "-", "_")
		if ix.builtin[name] {
			continue
		}
		if _, ok := ix.path[name]; !ok && w.required && ix.builtinKnown {
			return nil, invalid("this kernel has no %s, neither built in nor as a module", name).
				WithHint("use a kernel that is made for virtual machines, as Debian's linux-image-cloud-amd64")
		}
		visit(name)
	}
	return files, nil
}

// resolve turns an alias into a module's name. Of several that answer to it,
// the one that runs on any processor is taken.
func (ix *index) resolve(name string) string {
	if _, ok := ix.path[name]; ok || ix.builtin[name] || len(ix.alias[name]) == 0 {
		return name
	}
	names := slices.Sorted(slices.Values(ix.alias[name]))
	for _, n := range names {
		if strings.HasSuffix(n, "_generic") || ix.builtin[n] {
			return n
		}
	}
	return names[0]
}
