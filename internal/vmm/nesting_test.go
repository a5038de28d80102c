package vmm

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/fault"
)

func TestNestingNeedsKVMAndItsModulesConsent(t *testing.T) {
	const amd, intel = "/sys/module/kvm_amd/parameters/nested", "/sys/module/kvm_intel/parameters/nested"
	for _, c := range []struct {
		name, arch, flags string
		files             map[string]string
		state             State
		reason            string
	}{
		{"amd", "amd64", "svm", map[string]string{amd: "1\n"}, Good, "kvm_amd has nested=1"},
		{"intel", "amd64", "vmx", map[string]string{intel: "Y\n"}, Good, "kvm_intel has nested=1"},
		{"off on amd", "amd64", "svm", map[string]string{amd: "0\n"}, Missing, "kvm_amd has nested=0"},
		{"off on intel", "amd64", "vmx", map[string]string{intel: "N\n"}, Missing, "kvm_intel has nested=0"},
		{"no module", "amd64", "svm", nil, Missing, "neither"},
		{"no KVM", "amd64", "fpu", map[string]string{amd: "1\n"}, Missing, "neither vmx nor svm"},
		{"arm64", "arm64", "", nil, Missing, "amd64 only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			host := &Host{
				Arch: c.arch, User: "ann", OpenRW: func(string) error { return nil },
				ReadHead: func(path string, _ int64) ([]byte, error) {
					if path == "/proc/cpuinfo" {
						return []byte("flags : " + c.flags + "\n"), nil
					}
					if text, ok := c.files[path]; ok {
						return []byte(text), nil
					}
					return nil, fs.ErrNotExist
				},
			}
			got := host.Nesting()
			if got.About != AboutNesting || got.State != c.state || !strings.Contains(got.Reason, c.reason) || (got.Remedy == "") != (c.state == Good) {
				t.Errorf("%+v", got)
			}
			if err := (Finding{Nesting: got}).NestingErr(); (err == nil) != (c.state == Good) || err != nil && !errors.Is(err, fault.Unavailable) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	if err := (Finding{Driver: "one"}).NestingErr(); !errors.Is(err, fault.Unavailable) || !strings.Contains(err.Error(), "one") {
		t.Errorf("of a driver that does not know it: %v", err)
	}
}
