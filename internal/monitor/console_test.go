package monitor

import (
	"path/filepath"
	"testing"

	"github.com/bangervm/banger/internal/vm"
)

func TestADriverIsGivenAConsoleWhereTheVMHasOne(t *testing.T) {
	c, err := openConsole(filepath.Join(t.TempDir(), "console.log"), 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if w := c.of(vm.Spec{}); w == nil {
		t.Error("a VM with a console log has no console")
	}
	if w := c.of(vm.Spec{NoConsole: true}); w != nil { // an interface that holds a nil would be one, too
		t.Errorf("a VM without a console log has %v", w)
	}
}
