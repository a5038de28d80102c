package image_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
)

func TestParseRef(t *testing.T) {
	digest := "sha256:" + strings.Repeat("0a", 32)
	tests := []struct {
		in   string
		want image.Ref
		name string
	}{
		{"debian", image.Ref{Kind: image.Registry, Repository: "debian"}, "debian"},
		{"debian:bookworm", image.Ref{Kind: image.Registry, Repository: "debian", Tag: "bookworm"}, "debian-bookworm"},
		{"alpine:latest", image.Ref{Kind: image.Registry, Repository: "alpine", Tag: "latest"}, "alpine"},
		{"ghcr.io/o/i@" + digest, image.Ref{Kind: image.Registry, Repository: "ghcr.io/o/i", Digest: digest}, "i-0a0a0a0a0a0a"},
		{"ghcr.io/o/i:V1@" + digest, image.Ref{Kind: image.Registry, Repository: "ghcr.io/o/i", Tag: "V1", Digest: digest}, "i-v1"},
		{"localhost:5000/my_app/x--y:1.2", image.Ref{Kind: image.Registry, Repository: "localhost:5000/my_app/x--y", Tag: "1.2"}, "x--y-1.2"},
		{"[::1]:5000/a", image.Ref{Kind: image.Registry, Repository: "[::1]:5000/a"}, "a"},
		{"oci:/a/b", image.Ref{Kind: image.Layout, Path: "/a/b"}, "b"},
		{"oci:/a/b:t1", image.Ref{Kind: image.Layout, Path: "/a/b", Tag: "t1"}, "b-t1"},
		{"oci:/a:b/c", image.Ref{Kind: image.Layout, Path: "/a:b/c"}, "c"},
		{"oci-archive:/x/Image One.tar", image.Ref{Kind: image.Archive, Path: "/x/Image One.tar"}, "image-one"},
		{"docker-archive:/x/app.tar", image.Ref{Kind: image.DockerArchive, Path: "/x/app.tar"}, "app"},
		{"tar:/x/root.tar.zst", image.Ref{Kind: image.Tar, Path: "/x/root.tar.zst"}, "root"},
		{"tar:/x/./y/../root.tgz", image.Ref{Kind: image.Tar, Path: "/x/root.tgz"}, "root"},
		{"docker://ghcr.io/o/i:1", image.Ref{Kind: image.Registry, Repository: "ghcr.io/o/i", Tag: "1"}, "i-1"},
		{"docker://debian", image.Ref{Kind: image.Registry, Repository: "debian"}, "debian"},
		{"docker:24-dind", image.Ref{Kind: image.Registry, Repository: "docker", Tag: "24-dind"}, "docker-24-dind"},
		{"docker://docker-daemon:1", image.Ref{Kind: image.Registry, Repository: "docker-daemon", Tag: "1"}, "docker-daemon-1"},
		{"ostree", image.Ref{Kind: image.Registry, Repository: "ostree"}, "ostree"},
		{"dir:latest", image.Ref{Kind: image.Registry, Repository: "dir", Tag: "latest"}, "dir"},
		{"oci:/a/b@" + digest, image.Ref{Kind: image.Layout, Path: "/a/b", Digest: digest}, "b-0a0a0a0a0a0a"},
		{"oci:/a:docker.io/library/b:1.0", image.Ref{Kind: image.Layout, Path: "/a:docker.io/library/b", Tag: "1.0"}, "b-1.0"},
		{"oci-archive:/x/all.oci:b", image.Ref{Kind: image.Archive, Path: "/x/all.oci", Tag: "b"}, "all.oci-b"},
		{"oci-archive:/x/all.tar:b", image.Ref{Kind: image.Archive, Path: "/x/all.tar", Tag: "b"}, "all-b"},
		{"oci-archive:/x/a@" + digest, image.Ref{Kind: image.Archive, Path: "/x/a", Digest: digest}, "a-0a0a0a0a0a0a"},
		{"oci-archive:/x/12:30 o'clock.tar", image.Ref{Kind: image.Archive, Path: "/x/12:30 o'clock.tar"}, "12-30-o-clock"},
		{"docker-archive:/x/all.tar:docker.io/library/b:1.0", image.Ref{Kind: image.DockerArchive, Path: "/x/all.tar:docker.io/library/b", Tag: "1.0"}, "b-1.0"},
		{"oci:/x/a:b/", image.Ref{Kind: image.Layout, Path: "/x/a:b"}, "a-b"}, // a slash at the end ends the path
		{"tar:/x/a:b", image.Ref{Kind: image.Tar, Path: "/x/a:b"}, "a-b"},
		{"tar:-", image.Ref{Kind: image.Tar, Path: "-"}, ""},
	}
	for _, test := range tests {
		t.Run(test.in, func(t *testing.T) {
			got, err := image.ParseRef(test.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
			name, err := got.DefaultName()
			if name != test.name || (test.name == "") != errors.Is(err, fault.Invalid) {
				t.Errorf("default name %q (error %v), want %q", name, err, test.name)
			}
		})
	}
}

func TestParseRefRefuses(t *testing.T) {
	for _, in := range []string{
		"", " ", "Debian", "debian:", "debian:-x", "debian@sha256:12", "debian@md5:" + strings.Repeat("0", 32), "a//b", "/a", "a/", "a..b", "a___b",
		"-a", "tar:", "tar:relative.tar", "oci:dir:tag", "oci:/dir:bad tag", "oci-archive:x", "docker-archive:", "tar:/a\x00b", "a\nb",
		strings.Repeat("a", 5000), "http://x/y", "[::1/x", "host.example/", "ghcr.io/o/i:t@",
	} {
		if ref, err := image.ParseRef(in); !errors.Is(err, fault.Invalid) || fault.HintOf(err).String() == "" {
			t.Errorf("ParseRef(%q) = %+v, %v; want a fault Invalid with a hint", in, ref, err)
		}
	}
}

// TestParseRefNamesTheWay: a kind of source that other tools know is answered
// with what to type instead.
func TestParseRefNamesTheWay(t *testing.T) {
	for in, want := range map[string]string{
		"dir:/x": "oci:/dir", "docker-daemon:alpine": "docker save", "containers-storage:alpine": "podman save", "ostree:alpine": "oci:/dir",
		"./root.tar": "tar:./root.tar", "/x/root.tar": "tar:/x/root.tar", "../x": "oci:", "~/x": "tar:~/x", ".": "tar:.",
		"docker-daemon:alpine:3": "docker save", "containers-storage:alpine:3": "podman save",
		"containers-storage:[overlay@/x]alpine": "podman save", "docker:/x": "docker save", "file:///x": "tar:/file",
		"https://ghcr.io/o/i": "leave out https://", "docker://": "debian:bookworm", "docker:///x": "debian:bookworm",
	} {
		if ref, err := image.ParseRef(in); !errors.Is(err, fault.Invalid) || !strings.Contains(fault.HintOf(err).String(), want) {
			t.Errorf("ParseRef(%q) = %+v, %v (hint %q); want a hint with %q", in, ref, err, fault.HintOf(err).String(), want)
		}
	}
}

func TestValidateName(t *testing.T) {
	for _, name := range []string{"debian", "a", "debian-12.1_x", strings.Repeat("n", 128)} {
		if err := image.ValidateName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{"", "-a", "a-", ".", "..", "a/b", "A", "a:b", "ä", strings.Repeat("n", 129)} {
		if err := image.ValidateName(name); !errors.Is(err, fault.Invalid) {
			t.Errorf("%q: %v, want a fault Invalid", name, err)
		}
	}
}

// FuzzParseRef: a reference that is taken is written so that it is read again
// as the same, and has a default name that is valid.
func FuzzParseRef(f *testing.F) {
	for _, s := range []string{
		"debian:12", "ghcr.io/o/i@sha256:" + strings.Repeat("0", 64), "oci:/a:b", "tar:-", "tar:/x y", "docker://a/b:c", "docker-archive:/a:b/c:d", "oci-archive:/a@sha256:" + strings.Repeat("0", 64),
		"localhost:5000/my_app/x--y:1.2", "[::1]:5000/a", "host.example:443/a.b/c_d:V1@sha256:" + strings.Repeat("0a", 32), "docker.io/library/debian",
		"tar:/x/./y/../root.tar.zst", "oci:/a:docker.io/library/b:1.0", "oci-archive:/x/12:30 o'clock.tar", "docker-daemon:alpine:3",
		"containers-storage:[overlay@/x]alpine", "https://ghcr.io/o/i", "./root.tar", "~/x", "a..b", "debian@sha256:12", "docker:24-dind",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ref, err := image.ParseRef(s)
		if err != nil {
			if !errors.Is(err, fault.Invalid) {
				t.Fatalf("%v is no fault Invalid", err)
			}
			return
		}
		again, err := image.ParseRef(ref.String())
		if err != nil || again != ref {
			t.Fatalf("%q → %+v → %q → %+v, %v", s, ref, ref, again, err)
		}
		if name, err := ref.DefaultName(); err == nil && image.ValidateName(name) != nil {
			t.Fatalf("the default name %q is not valid", name)
		}
	})
}
