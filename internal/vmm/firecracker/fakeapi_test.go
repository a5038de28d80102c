package firecracker

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// fakeAPI is Firecracker's API, as strict as the real one: apiContract runs against both.
type fakeAPI struct {
	version string
	// refuses and hangs are calls, "METHOD /path", that get a 400, or no answer.
	refuses, hangs string
	// starts and presses say what the machine does, act takes a change of its state.
	start func(vsock net.Listener) error
	press func()
	state func(paused bool)
	sent  func(call string) // hears of each call; nil: nobody does

	mu     sync.Mutex
	phase  string // "Not started", "Running", "Paused"
	booted map[string]bool
	vsock  net.Listener
	counts *os.File // takes the metrics; nil: they are not configured
}

// reply is a status and a body, nil: none.
type reply struct {
	status int
	body   any
}

var (
	done       = reply{http.StatusNoContent, nil}
	onlyBefore = bad("The requested operation is not supported after starting the microVM.")
	onlyAfter  = bad("The requested operation is not supported before starting the microVM.")
)

func bad(format string, args ...any) reply {
	return reply{http.StatusBadRequest, map[string]string{"fault_message": fmt.Sprintf(format, args...)}}
}

// maxBody is HTTP_MAX_PAYLOAD_SIZE.
const maxBody = 51200

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	call := r.Method + " " + r.URL.Path
	if f.sent != nil {
		f.sent(call)
	}
	if call == f.hangs {
		<-r.Context().Done()
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	var answer reply
	switch {
	case err != nil:
		return
	case len(body) > maxBody:
		answer = bad("Request payload with size %d is larger than the limit of %d allowed by server.", len(body), maxBody)
	case call == f.refuses:
		answer = bad("refused on purpose")
	default:
		f.mu.Lock()
		answer = f.route(r.Method, r.URL.Path, body)
		f.mu.Unlock()
	}
	if answer.body != nil {
		w.Header().Set("Content-Type", "application/json")
	}
	w.WriteHeader(answer.status)
	if answer.body != nil {
		_ = json.NewEncoder(w).Encode(answer.body)
	}
}

func (f *fakeAPI) route(method, path string, body []byte) reply {
	resource, id, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch method + " " + resource {
	case "GET version":
		return reply{http.StatusOK, map[string]string{"firecracker_version": f.version}}
	case "GET ":
		return reply{http.StatusOK, map[string]string{"id": "fake", "state": f.phase, "vmm_version": f.version, "app_name": "Firecracker"}}
	case "PUT machine-config":
		return f.preboot(body, &struct {
			VCPUs     *int    `json:"vcpu_count" need:"y"`
			MiB       *int    `json:"mem_size_mib" need:"y"`
			SMT       *bool   `json:"smt"`
			Template  *string `json:"cpu_template"`
			Track     *bool   `json:"track_dirty_pages"`
			HugePages *string `json:"huge_pages"`
		}{}, machineLimits)
	case "PUT metrics":
		return f.preboot(body, &struct {
			Path *string `json:"metrics_path" need:"y"`
		}{}, f.metricsLimits)
	case "PUT cpu-config":
		return f.preboot(body, &struct {
			Caps   []string          `json:"kvm_capabilities"`
			Leaves []cpuidLeaf       `json:"cpuid_modifiers"`
			MSRs   []json.RawMessage `json:"msr_modifiers"`
		}{}, nil)
	case "PUT boot-source":
		return f.preboot(body, &struct {
			Kernel *string `json:"kernel_image_path" need:"y"`
			Initrd *string `json:"initrd_path"`
			Args   *string `json:"boot_args"`
		}{}, f.bootLimits)
	case "PUT drives":
		return f.device(id, body, &struct {
			ID     *string `json:"drive_id" need:"y"`
			Part   *string `json:"partuuid"`
			Root   *bool   `json:"is_root_device" need:"y"`
			Cache  *string `json:"cache_type"`
			Read   *bool   `json:"is_read_only"`
			Path   *string `json:"path_on_host"`
			Engine *string `json:"io_engine"`
			Socket *string `json:"socket"`
		}{}, driveLimits)
	case "PUT vsock":
		return f.preboot(body, &struct {
			ID   *string `json:"vsock_id"`
			CID  *uint32 `json:"guest_cid" need:"y"`
			Path *string `json:"uds_path" need:"y"`
		}{}, f.vsockLimits)
	case "PUT entropy":
		return f.preboot(body, &struct {
			Limiter *json.RawMessage `json:"rate_limiter"`
		}{}, nil)
	case "PUT balloon":
		return f.preboot(body, &struct {
			MiB       *uint32 `json:"amount_mib" need:"y"`
			Deflate   *bool   `json:"deflate_on_oom" need:"y"`
			Stats     *uint16 `json:"stats_polling_interval_s"`
			Hinting   *bool   `json:"free_page_hinting"`
			Reporting *bool   `json:"free_page_reporting"`
		}{}, nil)
	case "PUT network-interfaces":
		return f.networkInterface(id, body)
	case "PUT actions":
		return f.action(body)
	case "PATCH vm":
		return f.setState(body)
	}
	if method == http.MethodGet && len(body) > 0 {
		return bad("GET request cannot have a body.")
	}
	return bad("Invalid request method and/or path: %s %s.", method, resource)
}

// preboot is a call that configures the machine: only before its start.
func (f *fakeAPI) preboot(body []byte, into any, check func(map[string]any) reply) reply {
	if r, ok := decode(body, into); !ok {
		return r
	}
	if f.phase != "Not started" {
		return onlyBefore
	}
	if check == nil {
		return done
	}
	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		return bad("%v", err)
	}
	return check(fields)
}

// decode is serde's deny_unknown_fields and its required fields.
func decode(body []byte, into any) (reply, bool) {
	const words = "An error occurred when deserializing the json body of a request: "
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if len(body) == 0 {
		return bad("Empty PUT request."), false
	}
	if err := d.Decode(into); err != nil {
		if m := regexp.MustCompile(`unknown field "(.*)"`).FindStringSubmatch(err.Error()); m != nil {
			return bad("%sunknown field `%s`", words, m[1]), false
		}
		return bad("%s%v", words, err), false
	}
	if missing := required(reflect.ValueOf(into).Elem()); missing != "" {
		return bad("%smissing field `%s`", words, missing), false
	}
	return reply{}, true
}

var goodID = regexp.MustCompile(`^[0-9A-Za-z_]+$`)

func (f *fakeAPI) device(id string, body []byte, into any, check func(map[string]any) reply) reply {
	switch {
	case id == "":
		return bad("The ID cannot be empty.")
	case !goodID.MatchString(id):
		return bad("API Resource IDs can only contain alphanumeric characters and underscores.")
	}
	return f.preboot(body, into, func(fields map[string]any) reply {
		for _, name := range []string{"drive_id", "iface_id"} {
			if own, ok := fields[name]; ok && own != id {
				return bad("The id from the path [%s] does not match the id from the body [%v]!", id, own)
			}
		}
		return check(fields)
	})
}

func machineLimits(fields map[string]any) reply {
	if n, ok := fields["vcpu_count"].(float64); ok && (n < 1 || n > 32) {
		return bad("Machine config error: The number of vCPUs must be greater than 0, less than 32 and must be 1 or an even number if SMT is enabled.")
	}
	if fields["mem_size_mib"] == 0.0 {
		return bad("Machine config error: The memory size (MiB) is either 0, or not a multiple of the configured page size.")
	}
	return done
}

func (f *fakeAPI) bootLimits(fields map[string]any) reply {
	for name, words := range map[string]string{
		"kernel_image_path": "The kernel file cannot be opened", "initrd_path": "The initrd file cannot be opened due to invalid path or invalid permissions.",
	} {
		if path, ok := fields[name].(string); ok {
			if err := opens(path); err != nil {
				return bad("Boot source error: %s: %v", words, err)
			}
		}
	}
	if args, ok := fields["boot_args"].(string); ok && len(args) >= maxCommandLine {
		return bad("Boot source error: The kernel command line is invalid: too large")
	}
	f.booted["boot-source"] = true
	return done
}

func driveLimits(fields map[string]any) reply {
	if cache, ok := fields["cache_type"].(string); ok && !slices.Contains([]string{"Unsafe", "Writeback"}, cache) {
		return bad("An error occurred when deserializing the json body of a request: unknown variant `%s`", cache)
	}
	path, _ := fields["path_on_host"].(string)
	if err := opens(path); err != nil {
		return bad("Drive config error: Unable to create the virtio block device: Virtio backend error: Error manipulating the backing file: %v %s", err, path)
	}
	return done
}

func opens(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return errors.New("No such file or directory (os error 2)")
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (f *fakeAPI) vsockLimits(fields map[string]any) reply {
	path, _ := fields["uds_path"].(string)
	l, err := net.Listen("unix", path) //nolint:noctx // at once
	if err != nil {
		return bad("Vsock config error: Cannot create backend for vsock device: Error binding to the host-side Unix socket: Address already in use (os error 98)")
	}
	if unix, ok := l.(*net.UnixListener); ok {
		unix.SetUnlinkOnClose(false)
	}
	f.vsock = l
	return done
}
