//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

const (
	// envDevImage names an archive of the agent image, as `make dev-image` writes it.
	envDevImage  = "BANGER_E2E_DEV_IMAGE"
	devImageFile = "dev-image.oci.tar"
	// devImageTime is what the script of the agent image takes beyond the usual:
	// its programs are large, and slow by emulation.
	devImageTime = 10 * time.Minute
)

// devImage is the archive of the agent image. Without one the test is skipped, also
// where everything is expected to be there: building it takes many minutes, and
// downloads most of a gigabyte.
func devImage(t *testing.T, repo string) string {
	t.Helper()
	path := os.Getenv(envDevImage)
	if path == "" {
		path = filepath.Join(repo, "dist", devImageFile)
		if _, err := os.Stat(path); err != nil {
			t.Skipf("no agent image: make dev-image, or set %s to an archive of it", envDevImage)
		}
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%s: %v", envDevImage, err)
	}
	return path
}
