package kernel_test

import (
	"debug/elf"
	"errors"
	"io/fs"
	"maps"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernel/kerneltest"
	"github.com/bangervm/banger/internal/vmlinux"
)

func merge(trees ...fstest.MapFS) fstest.MapFS {
	all := fstest.MapFS{}
	for _, t := range trees {
		maps.Copy(all, t)
	}
	return all
}

func file(data string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(data), Mode: 0o644} }

func TestFind(t *testing.T) {
	const deb, alpine, void = "6.1.0-56-cloud-amd64", "6.6.52-0-lts", "6.6.52_1"
	anonymous := kerneltest.BzImage(kerneltest.Gzip(kerneltest.Vmlinux(elf.EM_X86_64, "x")), "")
	tests := map[string]struct {
		tree fstest.MapFS
		want kernel.Layout
	}{
		"Debian": {
			kerneltest.Debian(deb),
			kernel.Layout{Version: deb, Image: "boot/vmlinuz-" + deb, Modules: "lib/modules/" + deb},
		},
		"Alpine": {
			kerneltest.Alpine(alpine),
			kernel.Layout{Version: alpine, Image: "boot/vmlinuz-lts", Initrd: "boot/initramfs-lts", Modules: "lib/modules/" + alpine},
		},
		"Void": {
			kerneltest.Void(void),
			kernel.Layout{Version: void, Image: "boot/vmlinuz-" + void, Modules: "usr/lib/modules/" + void},
		},
		"the newest of two, by number": {
			merge(kerneltest.Debian("6.1.0-9-cloud-amd64"), kerneltest.Debian(deb)),
			kernel.Layout{Version: deb, Image: "boot/vmlinuz-" + deb, Modules: "lib/modules/" + deb},
		},
		"an initrd of the same version, not another's": {
			merge(kerneltest.Debian(deb), fstest.MapFS{"boot/initrd.img-" + deb: file("x"), "boot/initrd.img-6.1.0-9": file("y")}),
			kernel.Layout{Version: deb, Image: "boot/vmlinuz-" + deb, Initrd: "boot/initrd.img-" + deb, Modules: "lib/modules/" + deb},
		},
		"files directly in it, without modules": {
			fstest.MapFS{"vmlinuz-lts": {Data: kerneltest.Vmlinuz("6.6.1-0-lts")}, "initramfs-lts": file("x")},
			kernel.Layout{Version: "6.6.1-0-lts", Image: "vmlinuz-lts", Initrd: "initramfs-lts"},
		},
		"an uncompressed one before a compressed one": {
			fstest.MapFS{"vmlinuz": {Data: kerneltest.Vmlinuz("6.6.1")}, "vmlinux": {Data: kerneltest.Vmlinux(elf.EM_X86_64, "6.6.1")}},
			kernel.Layout{Version: "6.6.1", Image: "vmlinux"},
		},
		"beside its modules": {
			fstest.MapFS{"usr/lib/modules/6.9.1/vmlinuz": {Data: kerneltest.Vmlinuz("6.9.1")}},
			kernel.Layout{Version: "6.9.1", Image: "usr/lib/modules/6.9.1/vmlinuz", Modules: "usr/lib/modules/6.9.1"},
		},
		"one that does not say its version, by its flavour's modules": {
			fstest.MapFS{
				"boot/vmlinuz-virt":                      {Data: anonymous},
				"lib/modules/6.6.9-0-virt/modules.order": file(""), "lib/modules/6.6.10-0-virt/modules.order": file(""),
				"lib/modules/6.9.0-0-lts/modules.order": file(""),
			},
			kernel.Layout{Version: "6.6.10-0-virt", Image: "boot/vmlinuz-virt", Modules: "lib/modules/6.6.10-0-virt"},
		},
		"something else of that name beside it": {
			merge(kerneltest.Debian(deb), fstest.MapFS{"boot/vmlinuz-9.9.9": file("no kernel")}),
			kernel.Layout{Version: deb, Image: "boot/vmlinuz-" + deb, Modules: "lib/modules/" + deb},
		},
		"metadata.json": {
			merge(kerneltest.Debian(deb), fstest.MapFS{
				"k":             {Data: kerneltest.Vmlinuz("6.5.0")},
				"m/modules.dep": file(""), "i": file("x"),
				"metadata.json": file(`{"kernel": "k", "initrd": "i", "modules": "m"}`),
			}),
			kernel.Layout{Version: "6.5.0", Image: "k", Initrd: "i", Modules: "m"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := kernel.Find(t.Context(), tt.tree, vmlinux.Executables{})
			if err != nil {
				t.Fatal(err)
			}
			got.Binary = kernel.Binary{}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFindRefuses(t *testing.T) {
	const deb = "6.1.0-56-cloud-amd64"
	other := kerneltest.Debian("6.1.0-9-cloud-amd64")
	delete(other, "boot/vmlinuz-6.1.0-9-cloud-amd64")
	noModules := kerneltest.Debian(deb)
	for name := range noModules {
		if strings.HasPrefix(name, "lib/") {
			delete(noModules, name)
		}
	}
	tests := map[string]struct {
		tree fstest.MapFS
		says string
	}{
		"an empty directory":            {fstest.MapFS{}, "looked for boot/vmlinux-*"},
		"no kernel but other files":     {fstest.MapFS{"boot/vmlinuz-6.1": file("text")}, "boot/vmlinuz-6.1: neither a bzImage"},
		"modules of another version":    {merge(noModules, other), "but the directory's modules are for 6.1.0-9-cloud-amd64"},
		"a version that is a path":      {fstest.MapFS{"vmlinuz": {Data: kerneltest.Vmlinuz("6.1/../../x")}}, "cannot find its version"},
		"metadata that leaves":          {fstest.MapFS{"metadata.json": file(`{"kernel": "../vmlinuz"}`)}, `"../vmlinuz" is not a relative path`},
		"metadata with an absolute one": {fstest.MapFS{"metadata.json": file(`{"kernel": "/vmlinuz"}`)}, `"/vmlinuz" is not a relative path`},
		"metadata of nothing":           {fstest.MapFS{"metadata.json": file(`{}`)}, "names no kernel"},
		"metadata with a typing error":  {fstest.MapFS{"metadata.json": file(`{"kernel": "k", "modulez": "m"}`)}, "modulez"},
		"metadata with a tail":          {fstest.MapFS{"metadata.json": file(`{"kernel": "k"} x`)}, "there is more after its object"},
		"metadata of a missing file":    {fstest.MapFS{"metadata.json": file(`{"kernel": "k"}`)}, "names k, which is not a file in its directory"},
		"metadata of another version": {
			fstest.MapFS{"metadata.json": file(`{"kernel": "k", "version": "6.2"}`), "k": {Data: kerneltest.Vmlinuz("6.1")}},
			"says version 6.2, but k is 6.1",
		},
		"metadata too large": {fstest.MapFS{"metadata.json": file(strings.Repeat(" ", 70<<10))}, "larger than"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := kernel.Find(t.Context(), tt.tree, vmlinux.Executables{})
			if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v\nwant Invalid, with %q", err, tt.says)
			}
		})
	}
}

func FuzzParseMetadata(f *testing.F) {
	f.Add([]byte(`{"kernel": "boot/vmlinuz", "initrd": "i", "modules": "lib/modules/6.1", "version": "6.1"}`))
	f.Add([]byte(`{"kernel": "../x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := kernel.ParseMetadata(data)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Errorf("%v is not Invalid", err)
			}
			return
		}
		for _, p := range []string{m.Kernel, m.Initrd, m.Modules} {
			if p != "" && !fs.ValidPath(p) {
				t.Errorf("accepted the path %q", p)
			}
		}
	})
}
