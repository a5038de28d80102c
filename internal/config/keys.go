package config

import (
	"log/slog"
	"strconv"
	"strings"
)

// Side says what a key is a setting of.
type Side string

// The sides. SideVM and SideDaemon go to bangerd with each request, so that a
// command's own configuration holds whatever daemon runs. SideShared is the
// same but for the whole daemon: the latest command's value stays.
const (
	SideVM     Side = "a new VM"
	SideDaemon Side = "bangerd, for this command"
	SideShared Side = "bangerd, for all commands"
	SideClient Side = "the command line"
)

// form is the TOML type of a key.
type form string

const (
	formText   form = "a string"
	formNumber form = "a whole number"
	formSize   form = "a size"
	formList   form = "a list of strings"
	formSwitch form = "true or false"
)

// Key is one setting: its name in config.toml and its variable.
type Key struct {
	Name    string // as in "vm.memory"
	Env     string
	Side    Side
	Doc     string // what it is, as a phrase
	Example string // as in config.toml

	form form
	get  func(*Config) string
	set  func(c *Config, text string) error
}

// Value is the key's value in c as text that the variable takes.
func (k Key) Value(c Config) string { return k.get(&c) }

// TOML is the key's value in c as config.toml would have it.
func (k Key) TOML(c Config) string {
	value := k.get(&c)
	switch k.form {
	case formNumber, formSwitch:
		return value
	case formList:
		if value == "" {
			return "[]"
		}
		return `["` + strings.ReplaceAll(value, ",", `", "`) + `"]`
	default:
		return strconv.Quote(value)
	}
}

// Keys are all settings but [[files]], in the order in which they are shown.
func Keys() []Key {
	return []Key{
		textKey("vm.image", "BANGER_IMAGE", SideVM, "default image of a new VM", `image = "debian"`,
			func(c *Config) *string { return &c.VM.Image }),
		textKey("vm.kernel", "BANGER_KERNEL", SideVM, "default kernel of a new VM whose image names none; empty: the newest", `kernel = "debian-12"`,
			func(c *Config) *string { return &c.VM.Kernel }),
		numberKey("vm.vcpu", "BANGER_VCPU", SideVM, "number of vCPUs", "vcpu = 2",
			func(c *Config) *int { return &c.VM.VCPU }),
		sizeKey("vm.memory", "BANGER_MEMORY", SideVM, "memory size", `memory = "2GiB"`,
			func(c *Config) *Size { return &c.VM.Memory }),
		switchKey("vm.image_user", "BANGER_IMAGE_USER", SideVM, "commands in a new VM run as the user that its image names; false: as root (see guest.md)", "image_user = false",
			func(c *Config) *bool { return &c.VM.ImageUser }),
		switchKey("vm.console", "BANGER_CONSOLE", SideVM, "a new VM has a serial console and its log also on firecracker, where it slows the boot", "console = true",
			func(c *Config) *bool { return &c.VM.Console }),
		sizeKey("vm.disk", "BANGER_DISK", SideVM, "disk size", `disk = "16GiB"`,
			func(c *Config) *Size { return &c.VM.Disk }),
		numberKey("vm.ready_timeout", "BANGER_READY_TIMEOUT", SideDaemon, "seconds that a guest has from its start until it is ready", "ready_timeout = 600",
			func(c *Config) *int { return &c.VM.ReadyTimeout }),
		textKey("vm.template", "BANGER_TEMPLATE", SideDaemon, "VMs start from saved machines where there are some, and banger makes those: auto; or always boot a kernel: off (see templates.md)", `template = "auto"`,
			func(c *Config) *string { return &c.VM.Template }),
		sizeKey("image.cache_max", "BANGER_IMAGE_CACHE_MAX", SideDaemon, "how much of pulled layers to keep for later pulls; the least recently used go first", `cache_max = "20GiB"`,
			func(c *Config) *Size { return &c.Image.CacheMax }),
		textKey("network.egress", "BANGER_EGRESS", SideVM, "egress policy: a preset, or the text of a policy (see egress.md)", `egress = "packages"`,
			func(c *Config) *string { return &c.Network.Egress }),
		textKey("network.ports", "BANGER_PORTS", SideVM, "guest ports to forward to the host automatically: all, shared (all but those on the guest's loopback) or none (see network.md)", `ports = "shared"`,
			func(c *Config) *string { return &c.Network.Ports }),
		listKey("network.dns", "BANGER_DNS", SideDaemon, "upstream DNS servers of guests; empty: the host's. Separate them with commas in the variable", `dns = ["192.0.2.53", "[2001:db8::53]:5353"]`,
			func(c *Config) *[]string { return &c.Network.DNS }),
		numberKey("network.names_port", "BANGER_NAMES_PORT", SideShared, "port on which bangerd answers DNS queries for .vm names; 0: none", "names_port = 5300",
			func(c *Config) *int { return &c.Network.NamesPort }),
		textKey("web.listen", "BANGER_WEB", SideShared, "address (127.0.0.1 or [::1]) and port of the web console; port 0: any free one; off: no console", `listen = "off"`,
			func(c *Config) *string { return &c.Web.Listen }),
		listKey("web.roots", "BANGER_WEB_ROOTS", SideShared, "directories that the web console lets you pick files in, besides your home. Separate them with commas in the variable", `roots = ["/srv/images"]`,
			func(c *Config) *[]string { return &c.Web.Roots }),
		textKey("driver", "BANGER_DRIVER", SideDaemon, "virtual machine monitor, one of "+strings.Join(DriverNames(), ", "), `driver = "qemu-tcg"`,
			func(c *Config) *string { return &c.Driver }),
		textKey("qemu", "BANGER_QEMU", SideDaemon, "path or name of the QEMU executable; empty: found on PATH", `qemu = "/opt/qemu/bin/qemu-system-x86_64"`,
			func(c *Config) *string { return &c.QEMU }),
		textKey("firecracker_bin", "BANGER_FIRECRACKER_BIN", SideDaemon, "path or name of the Firecracker executable; empty: found on PATH", `firecracker_bin = "/opt/firecracker/firecracker"`,
			func(c *Config) *string { return &c.Firecracker }),
		switchKey("jailer", "BANGER_JAILER", SideDaemon, "run Firecracker by its jailer, as root, and refuse other drivers (see security.md)", "jailer = true",
			func(c *Config) *bool { return &c.Jailer }),
		numberKey("jailer_first_uid", "BANGER_JAILER_FIRST_UID", SideDaemon, "first of the 130815 user and group IDs for jailed VMs, which nothing else may have", "jailer_first_uid = 1900000000",
			func(c *Config) *int { return &c.JailerFirstUID }),
		textKey("ssh_key", "BANGER_SSH_KEY", SideDaemon, "private key for SSH to guests; empty: a key that banger creates", `ssh_key = "~/.ssh/id_ed25519"`,
			func(c *Config) *string { return &c.SSHKey }),
		{
			Name: "log_level", Env: "BANGER_LOG_LEVEL", Side: SideShared, form: formText, Example: `log_level = "debug"`,
			Doc: "what bangerd logs: debug, info, warn or error",
			get: func(c *Config) string { return strings.ToLower(c.LogLevel.String()) },
			set: func(c *Config, text string) error { return setLevel(&c.LogLevel, text) },
		},
		textKey("detach_keys", "BANGER_DETACH_KEYS", SideClient, "keys that detach from a session's terminal", `detach_keys = "ctrl-p,ctrl-q"`,
			func(c *Config) *string { return &c.DetachKeys }),
	}
}

func setLevel(level *slog.Level, text string) error {
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return notOneOf(text, "debug", "info", "warn", "error")
	}
	return nil
}

func listKey(name, env string, side Side, doc, example string, at func(*Config) *[]string) Key {
	return Key{
		Name: name, Env: env, Side: side, Doc: doc, Example: example, form: formList,
		get: func(c *Config) string { return strings.Join(*at(c), ",") },
		set: func(c *Config, text string) error {
			*at(c) = nil
			if text != "" {
				*at(c) = strings.Split(text, ",")
			}
			return nil
		},
	}
}

func textKey(name, env string, side Side, doc, example string, at func(*Config) *string) Key {
	return Key{
		Name: name, Env: env, Side: side, Doc: doc, Example: example, form: formText,
		get: func(c *Config) string { return *at(c) },
		set: func(c *Config, text string) error {
			*at(c) = text
			return nil
		},
	}
}

func numberKey(name, env string, side Side, doc, example string, at func(*Config) *int) Key {
	return Key{
		Name: name, Env: env, Side: side, Doc: doc, Example: example, form: formNumber,
		get: func(c *Config) string { return strconv.Itoa(*at(c)) },
		set: func(c *Config, text string) error {
			n, err := strconv.Atoi(text)
			if err != nil {
				return notForm(strconv.Quote(text), formNumber)
			}
			*at(c) = n
			return nil
		},
	}
}

func switchKey(name, env string, side Side, doc, example string, at func(*Config) *bool) Key {
	return Key{
		Name: name, Env: env, Side: side, Doc: doc, Example: example, form: formSwitch,
		get: func(c *Config) string { return strconv.FormatBool(*at(c)) },
		set: func(c *Config, text string) error {
			on, err := strconv.ParseBool(text)
			if err != nil {
				return notForm(strconv.Quote(text), formSwitch)
			}
			*at(c) = on
			return nil
		},
	}
}

func sizeKey(name, env string, side Side, doc, example string, at func(*Config) *Size) Key {
	return Key{
		Name: name, Env: env, Side: side, Doc: doc, Example: example, form: formSize,
		get: func(c *Config) string {
			text, _ := at(c).MarshalText() // never fails
			return string(text)
		},
		set: func(c *Config, text string) error { return at(c).UnmarshalText([]byte(text)) },
	}
}

// Variable is one that is no key's.
type Variable struct{ Name, Doc string }

// Variables are those besides the keys'.
func Variables() []Variable {
	return []Variable{
		{"BANGER_SOCKET", "path of another bangerd's socket; banger uses it as is, and never starts or replaces that bangerd"},
		{"BANGER_BANGERD", "path of the bangerd to start when none is running; default: next to banger, or on PATH"},
		{"BANGER_AGENT", "path of banger-vsock-agent; default: next to bangerd, or in ../lib/banger. A running bangerd that uses another one refuses the command"},
	}
}

// ours reports whether a variable is one that banger's own processes and tests
// set for each other.
func ours(name string) bool {
	return name == "BANGER_READY_FD" || name == "BANGER_FIRECRACKER_SPEC" || strings.HasPrefix(name, "BANGER_TEST_") || strings.HasPrefix(name, "BANGER_E2E_")
}
