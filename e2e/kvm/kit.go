package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/bangervm/banger/e2e/fixture"
)

// kitDir is the kit on this host: what the tests need in a place without Go. It
// is laid out as envKit of the end-to-end tests says.
func (t *tier) kitDir() string { return filepath.Join(t.dir, "kit") }

// makeKit fills the kit. The drivers whose contract cannot be built become absent.
func (t *tier) makeKit(ctx context.Context, h *home, all []driver, scripts selection) error {
	kit := t.kitDir()
	if err := os.MkdirAll(filepath.Join(kit, scriptsDir), 0o755); err != nil {
		return err
	}
	need, err := scripts.needs(filepath.Join(t.repo, scriptsDir))
	if err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return fixture.BuildBinaries(ctx, t.repo, filepath.Join(kit, "bin")) },
		func() error { return t.addNext(ctx, need) },
		func() error { return fixture.BuildProgram(ctx, t.repo, "./e2e/probe", filepath.Join(kit, "bin/probe")) },
		func() error {
			return fixture.BuildProgram(ctx, t.repo, "./internal/monitor/testguest/init", filepath.Join(kit, "guest-init"))
		},
		func() error { return fixture.BuildTests(ctx, t.repo, "./e2e", filepath.Join(kit, "e2e/e2e.test")) },
		func() error { return t.addDrivers(ctx, all) },
		func() error { return t.addBench(ctx) },
		func() error { return copyTree(ctx, filepath.Join(t.repo, testdata), filepath.Join(kit, testdata)) },
		func() error { return t.addFixtures(ctx, h, need.stored) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// addNext puts a newer build into the kit, if a script needs it.
func (t *tier) addNext(ctx context.Context, need needs) error {
	if !need.next {
		return nil
	}
	return fixture.BuildNext(ctx, t.repo, filepath.Join(t.kitDir(), "next/bin"))
}

// addDrivers puts the contract tests and the VMMs into the kit.
func (t *tier) addDrivers(ctx context.Context, all []driver) error {
	for i := range all {
		d := &all[i]
		if d.absent != "" {
			continue
		}
		if _, err := os.Stat(filepath.Join(t.repo, d.pkg)); err != nil {
			d.absent = "this build has no such driver"
			continue
		}
		if err := fixture.BuildTests(ctx, t.repo, d.pkg, d.contract(t.kitDir())); err != nil {
			return err
		}
		if d.program == "" {
			continue
		}
		to := filepath.Join(t.kitDir(), "vmm", d.name)
		if err := tool(ctx, "install", "-D", "-m", "755", d.program, to); err != nil {
			return fmt.Errorf("%s: %w", envFirecracker, err)
		}
		jailer := filepath.Join(filepath.Dir(d.program), "jailer")
		if _, err := os.Stat(jailer); err != nil {
			t.say("there is no %s: its tests do not run", jailer)
			continue
		}
		if err := tool(ctx, "install", "-m", "755", jailer, filepath.Join(filepath.Dir(to), "jailer")); err != nil {
			return err
		}
		d.jailer = true
	}
	return nil
}

// addBench puts the benchmark of boots into the kit.
func (t *tier) addBench(ctx context.Context) error {
	if !t.bench {
		return nil
	}
	kit := t.kitDir()
	if err := fixture.BuildTrivialInitramfs(ctx, t.repo, filepath.Join(kit, "bench.cpio")); err != nil {
		return err
	}
	busybox, err := t.cache.Path(ctx, "busybox.tar")
	if err != nil {
		return err
	}
	if err := copyTree(ctx, busybox, filepath.Join(kit, "cache/busybox.tar")); err != nil {
		return err
	}
	return fixture.BuildProgram(ctx, t.repo, "./bench", filepath.Join(kit, "bin/bench"))
}

// addFixtures has banger store what the scripts need, and puts that into the
// kit, with the kernel package from which the contract tests boot.
func (t *tier) addFixtures(ctx context.Context, h *home, names []string) error {
	for _, name := range names {
		if err := h.store(ctx, name); err != nil {
			return err
		}
		from, err := fixture.StoredAs(h.state(), name)
		if err != nil {
			return err
		}
		to := filepath.Join(t.kitDir(), "state", filepath.Base(filepath.Dir(from)), filepath.Base(from))
		if err := copyTree(ctx, from, to); err != nil {
			return err
		}
	}
	kernel, err := t.cache.Path(ctx, "kernel")
	if err != nil {
		return err
	}
	return copyTree(ctx, kernel, filepath.Join(t.kitDir(), "cache/kernel"))
}

// storing is the command by which banger stores a fixture under a name.
func (t *tier) storing(ctx context.Context, name string) ([]string, error) {
	file, kernels := name+".tar", map[string]string{"kernel": "debian-12", outerKernel: outerKernel}
	kernel, ok := kernels[name]
	if ok {
		file = name
	}
	path, err := t.cache.Path(ctx, file)
	if err != nil {
		return nil, err
	}
	if ok {
		return []string{"kernel", "import", kernel, "--from", path}, nil
	}
	return []string{"image", "pull", "tar:" + path, "--name", strings.TrimSuffix(file, ".tar")}, nil
}
