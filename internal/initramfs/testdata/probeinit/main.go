// Command probeinit is an /init for the boot test: it loads the boot modules
// in the order given, tells the console what became of them and of the
// virtio-serial port, and powers off.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func main() {
	console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		return
	}
	say := func(format string, args ...any) { fmt.Fprintf(console, "probe: "+format+"\n", args...) }
	defer unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	_ = unix.Mount("proc", "/proc", "proc", 0, "")
	_ = unix.Mount("sysfs", "/sys", "sysfs", 0, "")
	_ = unix.Mount("devtmpfs", "/dev", "devtmpfs", 0, "")

	var list struct{ Boot, Late []string }
	data, err := os.ReadFile("/banger/modules.json")
	if err == nil {
		err = json.Unmarshal(data, &list)
	}
	if err != nil {
		say("modules.json: %v", err)
		return
	}
	load := func(names []string) {
		for _, name := range names {
			say("load %s: %v", name, insmod("/banger/modules/"+name))
		}
	}
	load(list.Boot)
	ports, _ := filepath.Glob("/sys/class/virtio-ports/*/name")
	for _, p := range ports {
		name, _ := os.ReadFile(p)
		_, err := os.Stat("/dev/" + filepath.Base(filepath.Dir(p)))
		say("port %s: %v", strings.TrimSpace(string(name)), err)
	}
	disks, _ := filepath.Glob("/sys/block/vd*")
	say("disks before: %d", len(disks))
	load(list.Late)
	disks, _ = filepath.Glob("/sys/block/vd*")
	say("disks after: %d", len(disks))
	say("mount: %v", unix.Mount("/dev/vda", "/run", "ext4", unix.MS_RDONLY, ""))
	_, err = os.Stat("/run/modules.dep.bin")
	say("modules.dep.bin: %v", err)
	say("done")
}

func insmod(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.FinitModule(int(f.Fd()), "", 0)
}
