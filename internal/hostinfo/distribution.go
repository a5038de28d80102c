package hostinfo

import (
	"io"
	"os"
	"strings"
)

// maxOSRelease bounds what is read of os-release, in bytes.
const maxOSRelease = 64 << 10

// Distribution returns ID and VERSION_ID of the host's os-release, empty where they
// are not known. See os-release(5).
func Distribution() (id, release string) {
	return distribution("/etc/os-release", "/usr/lib/os-release")
}

func distribution(paths ...string) (id, release string) {
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			continue
		}
		data, err := io.ReadAll(io.LimitReader(f, maxOSRelease))
		_ = f.Close() // read only
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
			value = strings.Trim(value, `"'`)
			switch key {
			case "ID":
				id = value
			case "VERSION_ID":
				release = value
			}
		}
		return id, release
	}
	return "", ""
}
