package inits_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/bangervm/banger/internal/agent/inits"
	"github.com/bangervm/banger/internal/agent/regular/regulartest"
	"github.com/bangervm/banger/internal/agentrpc"
)

// build makes a tree: "text" is a file, "!text" an executable, "->x" a link.
func build(t *testing.T, entries map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for path, what := range entries {
		full := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case len(what) > 2 && what[:2] == "->":
			err = os.Symlink(what[2:], full)
		case what != "" && what[0] == '!':
			err = os.WriteFile(full, []byte(what[1:]), 0o755)
		default:
			err = os.WriteFile(full, []byte(what), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

const (
	busybox       = "!\x7fELF BusyBox v1.36.1"
	sysvinit      = "!\x7fELF INIT_VERSION=sysvinit-3.06"
	alpineInittab = "# /etc/inittab\n\n::sysinit:/sbin/openrc sysinit\n::sysinit:/sbin/openrc boot\n::wait:/sbin/openrc default\n" +
		"tty1::respawn:/sbin/getty 38400 tty1\n::ctrlaltdel:/sbin/reboot\n::shutdown:/sbin/openrc shutdown\n"
	debianInittab = "id:2:initdefault:\nsi::sysinit:/etc/init.d/rcS\n~~:S:wait:/sbin/sulogin --force\nl0:0:wait:/etc/init.d/rc 0\n" +
		"1:2345:respawn:/sbin/getty --noclear 38400 tty1\n"
)

func TestChoose(t *testing.T) {
	for name, tc := range map[string]struct {
		tree            map[string]string
		want, shutdown  inits.Flavour
		path            string
		imageModeIsLost bool
	}{
		"no init": {tree: map[string]string{"bin/sh": busybox}, want: inits.Agent, shutdown: inits.Agent, imageModeIsLost: true},
		"systemd on a merged usr": {
			tree: map[string]string{"sbin": "->usr/sbin", "lib": "->usr/lib", "usr/sbin/init": "->/lib/systemd/systemd", "usr/lib/systemd/systemd": "!x"},
			want: inits.Systemd, shutdown: inits.Systemd, path: "/sbin/init",
		},
		"systemd without its binary": {
			tree: map[string]string{"sbin/init": "->/lib/systemd/systemd"}, want: inits.Agent, shutdown: inits.Agent, imageModeIsLost: true,
		},
		"systemd installed but not the init": {
			tree: map[string]string{"lib/systemd/systemd": "!x"}, want: inits.Agent, shutdown: inits.Agent, imageModeIsLost: true,
		},
		"Alpine's container image": {
			tree: map[string]string{"sbin/init": "->/bin/busybox", "bin/busybox": busybox, "etc/inittab": alpineInittab},
			want: inits.Agent, shutdown: inits.Agent,
		},
		"Alpine with OpenRC": {
			tree: map[string]string{"sbin/init": "->/bin/busybox", "bin/busybox": busybox, "etc/inittab": alpineInittab, "sbin/openrc": "!x"},
			want: inits.OpenRC, shutdown: inits.Busybox, path: "/sbin/init",
		},
		"busybox with a script": {
			tree: map[string]string{"sbin/init": "->../bin/busybox", "bin/busybox": busybox, "etc/init.d/rcS": "!x"},
			want: inits.Busybox, shutdown: inits.Busybox, path: "/sbin/init",
		},
		"busybox alone": {
			tree: map[string]string{"sbin/init": busybox}, want: inits.Agent, shutdown: inits.Agent,
		},
		"sysvinit": {
			tree: map[string]string{"sbin/init": sysvinit, "etc/inittab": debianInittab, "etc/init.d/rcS": "!x"},
			want: inits.Sysvinit, shutdown: inits.Sysvinit, path: "/sbin/init",
		},
		"sysvinit without its scripts": {
			tree: map[string]string{"sbin/init": sysvinit, "etc/inittab": debianInittab}, want: inits.Agent, shutdown: inits.Agent,
		},
		"runit": {
			tree: map[string]string{"sbin/init": "->runit-init", "sbin/runit-init": "!x", "etc/runit/1": "!x", "etc/runit/2": "!x"},
			want: inits.Runit, shutdown: inits.Runit, path: "/sbin/init",
		},
		"runit without stages": {
			tree: map[string]string{"sbin/init": "->runit-init", "sbin/runit-init": "!x"}, want: inits.Agent, shutdown: inits.Agent,
		},
		"openrc-init": {
			tree: map[string]string{"sbin/init": "->openrc-init", "sbin/openrc-init": "!x", "sbin/openrc": "!x"},
			want: inits.OpenRC, shutdown: inits.OpenRC, path: "/sbin/init",
		},
		"something else": {
			tree: map[string]string{"sbin/init": "!#!/bin/sh\n"}, want: inits.Agent, shutdown: inits.Agent,
		},
		"a link out of the image": {
			tree: map[string]string{"sbin/init": "->../../../../../../bin/sh"}, want: inits.Agent, shutdown: inits.Agent, imageModeIsLost: true,
		},
		"not executable": {
			tree: map[string]string{"sbin/init": "x"}, want: inits.Agent, shutdown: inits.Agent, imageModeIsLost: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			root := build(t, tc.tree)
			got, err := inits.Choose(root, agentrpc.InitAuto, agentrpc.Program{})
			if want := (inits.Found{Flavour: tc.want, Shutdown: tc.shutdown, Path: tc.path}); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("auto: %+v, %v; want %+v", got, err, want)
			}
			got, err = inits.Choose(root, agentrpc.InitImage, agentrpc.Program{})
			if lost := errors.Is(err, inits.ErrNoInit); lost != tc.imageModeIsLost || !lost && got.Path == "" {
				t.Errorf("image: %+v, %v", got, err)
			}
			if got, err = inits.Choose(root, agentrpc.InitAgent, agentrpc.Program{}); err != nil || got.Flavour != inits.Agent {
				t.Errorf("agent: %+v, %v", got, err)
			}
		})
	}
}

func FuzzInittab(f *testing.F) {
	f.Add(alpineInittab)
	f.Add(debianInittab)
	f.Add(":::\n::sysinit:-\n::sysinit:/../../../bin/sh")
	f.Fuzz(func(t *testing.T, inittab string) {
		root := build(t, map[string]string{"sbin/init": busybox, "etc/inittab": inittab})
		got, err := inits.Choose(root, agentrpc.InitAuto, agentrpc.Program{})
		if err == nil && got.Flavour == inits.OpenRC {
			t.Errorf("OpenRC in a tree without it: %+v", got)
		}
	})
}

// An init whose files are odd is no init to start, and is not waited for.
func TestChooseWithOddFiles(t *testing.T) {
	for kind, odd := range regulartest.Odd() {
		for _, path := range []string{"etc/inittab", "sbin/init", "etc/runit/1"} {
			t.Run(kind+" for "+path, func(t *testing.T) {
				entries := map[string]string{"bin/busybox": busybox, "sbin/init": "->/bin/busybox", "etc/inittab": alpineInittab, "sbin/openrc": "!x"}
				if path == "etc/runit/1" {
					entries = map[string]string{"sbin/init": "->/sbin/runit-init", "sbin/runit-init": "!x", "etc/runit/1": "!x", "etc/runit/2": "!x"}
				}
				root := build(t, entries)
				if found, err := inits.Choose(root, agentrpc.InitAuto, agentrpc.Program{}); err != nil || found.Flavour == inits.Agent {
					t.Fatalf("before: %+v, %v", found, err)
				}
				if err := os.Remove(filepath.Join(root, path)); err != nil {
					t.Fatal(err)
				}
				odd(t, filepath.Join(root, path))
				if found, err := inits.Choose(root, agentrpc.InitAuto, agentrpc.Program{}); err != nil || found.Flavour != inits.Agent {
					t.Errorf("Choose = %+v, %v", found, err)
				}
			})
		}
	}
}

// TestChooseByTheImagesCommand fails for an init that only the image's command names,
// and for a script called /init that becomes PID 1 without being asked for.
func TestChooseByTheImagesCommand(t *testing.T) {
	for name, tc := range map[string]struct {
		tree        map[string]string
		argv        []string
		auto, image inits.Flavour // empty: none
	}{
		"systemd without /sbin/init": {map[string]string{"lib/systemd/systemd": "!x"}, []string{"/lib/systemd/systemd", "--unit=x"}, inits.Systemd, inits.Systemd},
		"systemd by its name":        {map[string]string{"usr/bin/systemd": "->/lib/systemd/systemd", "lib/systemd/systemd": "!x"}, []string{"systemd"}, inits.Systemd, inits.Systemd},
		"/sbin/init with arguments":  {map[string]string{"sbin/init": "->/lib/systemd/systemd", "lib/systemd/systemd": "!x"}, []string{"/sbin/init", "3"}, inits.Systemd, inits.Systemd},
		"systemd that is missing":    {map[string]string{"bin/sh": busybox}, []string{"/lib/systemd/systemd"}, inits.Agent, ""},
		"s6-overlay before an incomplete busybox": {
			map[string]string{"init": "!#!/bin/sh", "command/s6-svscan": "!x", "sbin/init": "->/bin/busybox", "bin/busybox": busybox},
			[]string{"/init", "serve"},
			inits.S6, inits.S6,
		},
		"s6-overlay of version 1":  {map[string]string{"init": "!#!/bin/sh", "bin/s6-svscan": "!x"}, []string{"/init"}, inits.S6, inits.S6},
		"a script called /init":    {map[string]string{"init": "!#!/bin/sh"}, []string{"/init", "serve"}, inits.Agent, inits.Unknown},
		"a program of busybox":     {map[string]string{"bin/sh": busybox, "bin/busybox": busybox}, []string{"sh"}, inits.Agent, ""},
		"a supervisor for engines": {map[string]string{"init": "!x", "usr/bin/tini": "!x"}, []string{"tini", "/init"}, inits.Agent, inits.Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			root := build(t, tc.tree)
			program := agentrpc.Program{Argv: tc.argv, StopSignal: "SIGUSR1"}
			got, err := inits.Choose(root, agentrpc.InitAuto, program)
			if err != nil || got.Flavour != tc.auto {
				t.Errorf("auto: %+v, %v; want %s", got, err, tc.auto)
			}
			if tc.auto != inits.Agent && (!slices.Equal(got.Argv, tc.argv) || got.StopSignal != "SIGUSR1") {
				t.Errorf("auto: %+v does not run as the image says", got)
			}
			got, err = inits.Choose(root, agentrpc.InitImage, program)
			if tc.image == "" && !errors.Is(err, inits.ErrNoInit) || tc.image != "" && (err != nil || got.Flavour != tc.image) {
				t.Errorf("image: %+v, %v; want %q", got, err, tc.image)
			}
			if got, err := inits.Choose(root, agentrpc.InitAgent, program); err != nil || got.Flavour != inits.Agent {
				t.Errorf("agent: %+v, %v", got, err)
			}
		})
	}
}
