package confine

import "path/filepath"

// SystemFiles are where this host has what programs run on: executables and
// libraries, and nothing of a user's.
func SystemFiles() []string {
	return []string{
		"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.preload", "/nix/store", "/gnu/store",
	}
}

// ProgramFiles are SystemFiles and those of one program: its executable, and
// the libraries and data beside it when it was installed elsewhere, where family is
// how the directories of its data and modules are called.
func ProgramFiles(program, family string) []string {
	paths := SystemFiles()
	for _, path := range []string{program, resolved(program)} {
		prefix, name := filepath.Dir(filepath.Dir(path)), filepath.Base(path)
		paths = append(paths, path, filepath.Join(prefix, "share", name), filepath.Join(prefix, "share", family))
		for _, lib := range []string{"lib", "lib64"} {
			paths = append(paths, filepath.Join(prefix, lib, family), filepath.Join(prefix, lib))
		}
	}
	return paths
}

func resolved(path string) string {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return path
	}
	return real
}
