package kerneltest

import (
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing/fstest"
)

// Debian is an unpacked linux-image package: uncompressed modules, no indexes,
// ext4 built in, and a System.map of one line.
func Debian(version string) fstest.MapFS {
	tree := fstest.MapFS{}
	add(tree, "boot/vmlinuz-"+version, Vmlinuz(version))
	add(tree, "boot/config-"+version, []byte("CONFIG_EXT4_FS=y\n"))
	add(tree, "boot/System.map-"+version, []byte("ffffffffffffffff B The real System.map is elsewhere\n"))
	addModules(tree, "lib/modules/"+version, "", []string{"kernel/fs/ext4/ext4.ko"}, Virtio())
	return tree
}

// Alpine is an unpacked linux-lts package and the initramfs made on install:
// modules compressed by gzip, ext4 among them, with indexes for those.
func Alpine(version string) fstest.MapFS {
	tree := fstest.MapFS{}
	_, flavour, _ := strings.Cut(version, "-0-")
	add(tree, "boot/vmlinuz-"+flavour, Vmlinuz(version))
	add(tree, "boot/config-"+flavour, []byte("CONFIG_EXT4_FS=m\n"))
	add(tree, "boot/initramfs-"+flavour, Gzip([]byte("070701")))
	all := Virtio()
	maps.Copy(all, ModularExt4())
	dir := "lib/modules/" + version
	addModules(tree, dir, ".gz", []string{"kernel/lib/crc16.ko"}, all)
	add(tree, dir+"/modules.dep", []byte("kernel/fs/ext4/ext4.ko.gz: kernel/fs/jbd2/jbd2.ko.gz\n"))
	add(tree, dir+"/modules.dep.bin", []byte("an index for what is compressed"))
	return tree
}

// Void is an unpacked linux package: below /usr, modules compressed by zstd,
// with a link to the kernel's build directory.
func Void(version string) fstest.MapFS {
	tree := fstest.MapFS{}
	add(tree, "boot/vmlinuz-"+version, Vmlinuz(version))
	dir := "usr/lib/modules/" + version
	addModules(tree, dir, ".zst", []string{"kernel/fs/ext4/ext4.ko"}, Virtio())
	tree[dir+"/build"] = &fstest.MapFile{Data: []byte("/usr/src/kernel-headers-" + version), Mode: fs.ModeSymlink | 0o777}
	return tree
}

func add(tree fstest.MapFS, name string, data []byte) {
	tree[name] = &fstest.MapFile{Data: data, Mode: 0o644}
}

func addModules(tree fstest.MapFS, dir, suffix string, builtin []string, modules map[string]Module) {
	compress := map[string]func([]byte) []byte{
		"": slices.Clone[[]byte], ".gz": Gzip, ".zst": Zstd,
	}[suffix]
	var order strings.Builder
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		add(tree, path.Join(dir, name)+suffix, compress(modules[name].ELF()))
		fmt.Fprintln(&order, name)
	}
	add(tree, dir+"/modules.order", []byte(order.String()))
	add(tree, dir+"/modules.builtin", []byte(strings.Join(builtin, "\n")+"\n"))
}

// Write writes a tree, with its links, to the directory dir, which it makes.
func Write(dir string, tree fstest.MapFS) error {
	for name, file := range tree {
		dst := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(dst), 0o755); err != nil {
			return err
		}
		var err error
		if file.Mode&fs.ModeSymlink != 0 {
			err = os.Symlink(string(file.Data), dst)
		} else {
			err = os.WriteFile(dst, file.Data, file.Mode.Perm())
		}
		if err != nil {
			return err
		}
	}
	return nil
}
