package aptkernel

import (
	"context"
	"strings"

	"github.com/bangervm/banger/internal/fault"
)

// The names of kernel packages begin so. What follows is the kernel's version, the same
// in each: Debian's have their modules in them, Ubuntu's in packages of their own.
const (
	imagePrefix   = "linux-image-"
	modulesPrefix = "linux-modules-"
	extraPrefix   = "linux-modules-extra-"
)

// wanted is a package in an exact version.
type wanted struct{ name, version string }

func (w wanted) spec() string { return w.name + "=" + w.version }

// wanted returns the kernel package that meta depends on, and those of its modules that
// meta or it depends on.
func (a apt) wanted(ctx context.Context, meta string) ([]wanted, error) {
	record, err := a.show(ctx, meta)
	if err != nil {
		return nil, err
	}
	image, found := dependency(record, func(name string) bool {
		version, ok := strings.CutPrefix(name, imagePrefix)
		return ok && version != "" && version[0] >= '0' && version[0] <= '9'
	})
	if !found {
		return nil, fault.New(fault.Unavailable, "package %s depends on no kernel package", meta)
	}
	kernelRecord, err := a.exact(ctx, &image)
	if err != nil {
		return nil, err
	}
	all := []wanted{image}
	version := strings.TrimPrefix(image.name, imagePrefix)
	for _, of := range []struct{ record, name string }{{kernelRecord, modulesPrefix + version}, {record, extraPrefix + version}} {
		modules, found := dependency(of.record, func(name string) bool { return name == of.name })
		if !found {
			continue
		}
		if _, err := a.exact(ctx, &modules); err != nil {
			return nil, err
		}
		all = append(all, modules)
	}
	return all, nil
}

// exact returns the record of a package, and gives w the candidate's version where it has
// none.
func (a apt) exact(ctx context.Context, w *wanted) (string, error) {
	name := w.name
	if w.version != "" {
		name = w.spec()
	}
	record, err := a.show(ctx, name)
	if err != nil || w.version != "" {
		return record, err
	}
	for line := range strings.Lines(record) {
		if version, ok := strings.CutPrefix(line, "Version: "); ok && isPackageText(strings.TrimSpace(version)) {
			w.version = strings.TrimSpace(version)
			return record, nil
		}
	}
	return "", fault.New(fault.Unavailable, "apt does not say which version of %s there is", w.name)
}

// dependency is the first package with a fitting name that a record, as apt-cache shows
// it, depends on. Its version is empty where the record does not say it exactly.
func dependency(record string, fits func(name string) bool) (wanted, bool) {
	for line := range strings.Lines(record) {
		depends, ok := strings.CutPrefix(line, "Depends: ")
		if !ok {
			continue
		}
		for item := range strings.SplitSeq(depends, ",") {
			name, rest, _ := strings.Cut(strings.TrimSpace(item), " ")
			if !isPackageText(name) || !fits(name) || strings.Contains(rest, "|") {
				continue
			}
			exact, found := strings.CutPrefix(rest, "(= ")
			version := strings.TrimSuffix(exact, ")")
			switch {
			case !found:
				return wanted{name: name}, true
			case isPackageText(version):
				return wanted{name, version}, true
			}
		}
	}
	return wanted{}, false
}

// isPackageText reports whether s is a package's name or version.
func isPackageText(s string) bool {
	return s != "" && len(s) < 200 && !strings.HasPrefix(s, "-") &&
		strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-~:") == ""
}
