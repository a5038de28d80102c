package command

import (
	"errors"
	"os"
	"strconv"
	"testing"
)

func TestDefaultsOfCommands(t *testing.T) {
	me := strconv.Itoa(os.Getuid()) + ":" + strconv.Itoa(os.Getgid())
	d := Defaults{Env: []string{"A=image", "HOME=/image"}, Dir: "app/./x", User: me}
	spec, err := d.Spec("", "", []string{"B=mine"})
	if err != nil {
		t.Fatal(err)
	}
	if spec.Dir != "/app/x" {
		t.Errorf("dir = %q; a relative one of an image is below the root", spec.Dir)
	}
	if int(spec.User.UID) != os.Getuid() || int(spec.User.GID) != os.Getgid() {
		t.Errorf("user = %+v", spec.User)
	}
	for key, want := range map[string]string{"A": "image", "HOME": "/image", "B": "mine"} {
		if got := Getenv(spec.Env, key); got != want {
			t.Errorf("%s = %q, want %q", key, got, want)
		}
	}
	if spec, err := d.Spec("root", "/tmp"); err != nil || spec.User.UID != 0 || spec.Dir != "/tmp" {
		t.Errorf("what is named goes first: %+v, %v", spec, err)
	}
	var start *StartError
	if _, err := d.Spec("", "app"); !errors.As(err, &start) || start.Status != StatusCannotRun {
		t.Errorf("a relative directory of the user's: %v", err)
	}
	if spec, err := (Defaults{}).Spec("", ""); err != nil || spec.Dir != "/" || spec.User.UID != 0 {
		t.Errorf("nothing named: %+v, %v", spec, err)
	}
}
