package web_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/bangervm/banger/internal/cli"
)

// createFlags are the flags of vm create, and what the form has for them.
func createFlags() map[string]struct {
	form    url.Values // that has the flag in the command
	without string     // why the form has nothing for it
} {
	type flag = struct {
		form    url.Values
		without string
	}
	field := func(name, value string) flag { return flag{form: url.Values{name: {value}}} }
	return map[string]flag{
		"label": field("labels", "team=x"), "name": {without: "the form has the name as the argument"},
		"no-start": field("nostart", "yes"), "wait": field("wait", "started"),
		"entrypoint": field("entrypoint", "yes"), "image": field("image", "node:22"), "init": field("init", "agent"),
		"kernel": field("kernel", "k1"), "no-healthcheck": {form: url.Values{"entrypoint": {"yes"}, "nohealthcheck": {"yes"}}},
		"platform": field("platform", "linux/arm/v7"), "restart-policy": {form: url.Values{"entrypoint": {"yes"}, "restart": {"always"}}},
		"console": field("console", "true"), "disk": field("disk", "9GiB"), "driver": field("driver", "qemu-tcg"),
		"memory": field("memory", "2GiB"), "nested": field("nested", "yes"), "vcpu": field("vcpu", "7"),
		"egress": field("egress", "none"), "network": field("network", "none"), "ports": field("ports", "none"),
		"publish": field("publish", "8080:80"), "env": field("env", "A=b"),
		"output":   {without: "the form leads to the operation's page"},
		"quiet":    {without: "the form leads to the operation's page"},
		"progress": {without: "the operation's page shows the stages"},
		"cold":     {without: "it is for who looks for a fault, and for one start"},
		"help":     {without: "the form has its hints"},
	}
}

// A flag of vm create is in the form, and in the command below it.
func TestCreateHasEveryFlag(t *testing.T) {
	b := open(t)
	page, known := b.get("/create", http.StatusOK), createFlags()
	found := regexp.MustCompile(`(?m)^ +(?:-\w, )?(?:    )?--([a-z-]+)`).FindAllStringSubmatch(helpOf(t, "vm", "create"), -1)
	if len(found) < 20 {
		t.Fatalf("the help names %d flags", len(found))
	}
	for _, match := range found {
		name := match[1]
		flag, ok := known[name]
		switch {
		case !ok:
			t.Errorf("--%s is not in the table: put it into the form, or say why it is not there", name)
		case flag.without != "":
		default:
			flag.form.Set("token", b.token())
			part, _ := b.do(http.MethodPost, "/command/create", flag.form, http.StatusOK)
			if !regexp.MustCompile(`<code>banger vm create .*--` + name + `\b`).MatchString(part) {
				t.Errorf("%v does not make --%s: %s", flag.form, name, part)
			}
			for field := range flag.form {
				if !strings.Contains(page, ` name="`+field+`"`) {
					t.Errorf("the form has no field %s for --%s", field, name)
				}
			}
		}
	}
}

// helpOf is what the command line says of a command.
func helpOf(t *testing.T, command ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "help")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	app := &cli.App{Out: out, Err: out, LookupEnv: func(string) (string, bool) { return "", false }, Exit: func(int) {}}
	if status := app.Run(append(command, "--help")); status != 0 {
		t.Fatalf("status %d", status)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
