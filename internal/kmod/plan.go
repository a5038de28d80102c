package kmod

import (
	"maps"
	"path"
	"slices"
	"strings"
)

// want is a module that the agent loads.
type want struct {
	name     string
	required bool
	device   uint32 // the virtio device that it drives; 0: not just one
}

// Virtio device IDs: virtio 1.2, section 5.
const (
	deviceNet     = 1
	deviceBlock   = 2
	deviceConsole = 3
	deviceEntropy = 4
	deviceBalloon = 5
	deviceVsock   = 19
)

// bootWants are needed before the agent can reach the host.
func bootWants() []want {
	return []want{
		{name: "virtio_mmio", required: true},
		{name: "virtio_console", required: true, device: deviceConsole},
		{name: "vmw_vsock_virtio_transport", device: deviceVsock},
	}
}

// lateWants are needed to give the guest its disks and its network. They are
// loaded only at Configure: until then a saved machine may get other disks.
func lateWants() []want {
	return []want{
		{name: "virtio_blk", required: true, device: deviceBlock},
		{name: "ext4", required: true},
		{name: "overlay", required: true},
		{name: "virtio_rng", device: deviceEntropy}, // the agent loads it last of all
		{name: "virtio_net", device: deviceNet},
		{name: "virtio_balloon", device: deviceBalloon},
		{name: "ipv6", device: deviceNet},
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
// that are loaded already. It is Invalid when a required one does not exist.
func (ix *index) order(wants []want, loaded []string) ([]string, error) {
	for _, w := range wants {
		_, isModule := ix.path[w.name]
		if w.required && ix.builtinKnown && !isModule && !ix.builtin[w.name] {
			return nil, invalid("this kernel has no %s, neither built in nor as a module", w.name).
				WithHint("use a kernel made for virtual machines, such as Debian's linux-image-cloud-amd64")
		}
	}
	return slices.DeleteFunc(ix.closure(wants...), func(file string) bool {
		return slices.Contains(loaded, file)
	}), nil
}

// closure returns the files of wants and of all they depend on, each after
// those it depends on. What is built in needs none.
func (ix *index) closure(wants ...want) []string {
	var files []string
	visited := map[string]bool{}
	var visit func(name string)
	visit = func(name string) {
		file, ok := ix.path[name]
		if visited[name] || !ok || ix.builtin[name] {
			return
		}
		visited[name] = true
		for _, soft := range ix.pre[name] {
			visit(ix.resolve(soft))
		}
		for _, dep := range slices.Backward(ix.deps[name]) {
			visit(dep)
		}
		files = append(files, file)
	}
	for _, w := range wants {
		visit(w.name)
	}
	return files
}

// devices returns the file names of the modules that only one virtio device
// needs, with its ID. What two devices need, or anything else, is left out.
func (ix *index) devices() map[string]uint32 {
	ids := map[string]uint32{}
	for _, w := range slices.Concat(bootWants(), lateWants()) {
		for _, file := range ix.closure(w) {
			name := path.Base(file)
			if other, ok := ids[name]; ok && other != w.device {
				ids[name] = 0
			} else {
				ids[name] = w.device
			}
		}
	}
	maps.DeleteFunc(ids, func(_ string, id uint32) bool { return id == 0 })
	return ids
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
