package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/aptkernel"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/catalogstore"
	"github.com/bangervm/banger/internal/download"
	"github.com/bangervm/banger/internal/event"
	"github.com/bangervm/banger/internal/gitapply"
	"github.com/bangervm/banger/internal/gitrepo"
	"github.com/bangervm/banger/internal/hostdns"
	"github.com/bangervm/banger/internal/hostgit"
	"github.com/bangervm/banger/internal/hostinfo"
	"github.com/bangervm/banger/internal/ids"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/imagestore"
	"github.com/bangervm/banger/internal/initramfs"
	"github.com/bangervm/banger/internal/kernel"
	"github.com/bangervm/banger/internal/kernelstore"
	"github.com/bangervm/banger/internal/kmod"
	"github.com/bangervm/banger/internal/monitors"
	"github.com/bangervm/banger/internal/oci"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/rootfs"
	"github.com/bangervm/banger/internal/server"
	"github.com/bangervm/banger/internal/session"
	"github.com/bangervm/banger/internal/sqlite"
	"github.com/bangervm/banger/internal/sshkeys"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/vm"
	"github.com/bangervm/banger/internal/vmdir"
	"github.com/bangervm/banger/internal/vmlinux"
	"github.com/bangervm/banger/internal/vmm"
	"github.com/bangervm/banger/internal/vmm/drivers"
	"github.com/bangervm/banger/internal/workspace"
)

// daemon is everything, wired.
type daemon struct {
	dirs    statedir.Dirs
	set     *settings
	build   buildinfo.Info
	log     *slog.Logger
	started time.Time
	stop    func()

	journal    *event.Journal
	feed       *server.Feed
	db         *sqlite.DB
	vms        *vm.Service
	sessions   *session.Service
	workspaces *workspace.Service
	images     *image.Service
	layers     *oci.Client
	downloads  *download.Client
	store      vm.Store
	kernels    *kernel.Service
	runner     *operation.Runner
	folders    *vmdir.VMs
	launcher   *monitors.Launcher
	host       host

	namesMu      sync.Mutex
	names        *hostdns.Server // nil: it does not answer
	namesProblem string          // why not, though it should
	resolver     *hostdns.Host
	web          *webDoor
}

// wire makes the daemon from what is on disk: it opens the database, sweeps
// what an earlier daemon left half-made, and finds the VMs that live.
func wire(ctx context.Context, set *settings, build buildinfo.Info, log *slog.Logger) (*daemon, error) {
	dirs := set.dirs
	byID := &vmNames{}
	log = slog.New(namedLog{log.Handler(), byID})
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find bangerd's own executable: %w", err)
	}
	if err := sshkeys.EnsureClientKey(dirs); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, dirs.Database())
	if err != nil {
		return nil, err
	}
	d := &daemon{
		dirs: dirs, set: set, build: build, log: log, started: time.Now().UTC(), db: db,
		host: host{dirs: dirs, set: set, vmm: vmm.ThisHost()}, resolver: hostdns.NewHost(),
	}
	d.journal = event.New(ids.Hex(epochBytes), time.Now)
	d.feed = server.NewFeed(d.journal, os.Getuid(), byID.name, log)
	disks := rootfs.NewDisks(dirs.DiskTemplates())
	d.folders = vmdir.New(dirs, disks)
	store := &cachedVMs{Store: db.VMs(), names: byID}
	users := users{vms: store}
	source := oci.NewClient(dirs.Blobs(), oci.Options{CacheMax: set.cacheMax, Registries: set.registries, Log: log})
	d.layers, d.store = source, store
	d.images = image.NewService(imagestore.New(dirs, log), source, rootfs.Images{}, users, time.Now, log)
	downloads := download.New(dirs.Downloads(), download.Options{})
	d.downloads = downloads
	packages := aptkernel.New(dirs.Packages(), kernelstore.OpenSource)
	catalogs, err := catalog.New(catalog.Builtin(), downloads, catalogstore.New(dirs, log), time.Now)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	kernelFiles := kernelstore.New(dirs, log)
	arch := runtime.GOARCH
	distro, release := hostinfo.Distribution()
	d.kernels = kernel.NewService(kernel.Deps{
		Store: kernelFiles, Executables: vmlinux.Executables{}, Modules: kmod.New(packModules),
		Users: kernelUsers{vms: store, images: func() *image.Service { return d.images }, store: kernelFiles, dirs: dirs}, Open: kernelstore.OpenSource, Now: time.Now, Architecture: arch, Distro: distro, Release: release,
		Catalogs: catalogSources{catalogs, set}, Packages: packages, Bundles: bundles{downloads}, Events: d.feed,
	})
	d.images.Tell(d.feed)
	d.images.UseCatalogs(catalogSources{catalogs, set}, arch)
	d.images.UseKernels(imageKernels{service: d.kernels, store: kernelFiles, dirs: dirs, images: d.images, vms: store})
	d.images.UseLayers(imageLayers{source})
	d.images.UseArchives(imageArchives{d.images, source})
	d.web = newWebDoor(d)
	set.agent, set.renames, set.rewebs = agentPath(self), d.renames, d.web.serve
	archives := initramfs.New(dirs, set.agent, log)
	known := sshkeys.NewKnownHosts(dirs)
	d.launcher = monitors.New(dirs, []string{self, "monitor"}, log).Confine([]string{self, "confine"}, drivers.Needs).Sweeps(drivers.Sweep)
	guests := d.guests()
	d.sessions = session.New(session.Deps{
		Store: db.Sessions(), VMs: sessionVMs{d}, Guests: guests, Pipes: guests, Events: d.feed, Log: log,
	})
	git := hostgit.New(hostgit.DefaultLimits())
	applier := gitapply.New(git, dirs.Applies(), gitapply.SyncFilesystem)
	d.workspaces = workspace.New(workspace.Deps{
		Store: db.Workspaces(), VMs: workspaces{d}, Git: gitrepo.New(git), Applier: applier, Guests: guests,
		Vaults: vmdir.NewVaults(dirs), Events: d.feed, Log: log,
	})
	d.vms = vm.New(vm.Deps{
		Workspaces: workspaces{d}, Files: set.placedFiles,
		Events: vmEvents{d.feed, d.sessions},
		Store:  store, Machines: d.launcher, Disks: d.folders,
		Identities: identities{VMs: d.folders, known: known, key: set.sshKey}, Names: identities{VMs: d.folders, known: known, key: set.sshKey},
		Images:  images{service: d.images},
		Commits: commits{d.images},
		Kernels: kernels{service: d.kernels, store: kernelFiles, archives: archives, dirs: dirs},
		Host:    d.host, Ports: guests, Preflight: d.host.preflight(self, set.agent),
		HostPorts: hostinfo.Ports{}, UID: os.Getuid(), Resolvers: set.resolvers, ReadyTimeout: set.readyTimeout,
		Defaults: set.defaults, Log: log,
	})
	d.runner = operation.NewRunner(db.Operations(), time.Now, log)
	d.runner.Tell(d.feed)
	sweeps := []func(context.Context) error{
		d.runner.Recover, d.images.Sweep, d.kernels.Sweep, source.Sweep, downloads.Sweep, packages.Sweep, d.vms.Reconcile, d.sessions.Reconcile, d.workspaces.Sweep,
		disks.Sweep, d.recoverApplies(applier),
		func(ctx context.Context) error { return archives.Sweep(ctx, time.Now()) },
		func(ctx context.Context) error { return d.keepKnown(ctx, known) },
		d.serveNames,
	}
	for _, sweep := range sweeps {
		if err := sweep(ctx); err != nil {
			return nil, errors.Join(err, d.close())
		}
	}
	return d, nil
}

// close stops the services and closes the database. Of a daemon that serves, end first
// stops operations and requests.
func (d *daemon) close() error {
	d.web.close()
	err := d.closeNames()
	d.vms.Close()
	d.sessions.Close()
	d.workspaces.Close()
	return errors.Join(err, d.db.Close())
}

func (d *daemon) services() server.Services {
	return server.Services{
		VMs: d.vms, Guests: d.guests(), Consoles: consoles{dirs: d.dirs}, Resolver: d.resolver,
		Sessions: d.sessions, Workspaces: d.workspaces,
		Images: d.images, Kernels: d.kernels, Operations: d.runner, Daemon: d,
		System: systemFiles{dirs: d.dirs, images: d.images, layers: d.layers, downloads: d.downloads, kernels: d.kernels, vms: d.store},
		Events: d.journal, Web: d.web, Host: d,
	}
}

// agentName is the file name of the agent's binary.
const agentName = "banger-vsock-agent"

// agentPath is where the guest's agent should be: BANGER_AGENT, or beside
// bangerd, or ../lib/banger.
func agentPath(self string) string {
	if path := os.Getenv("BANGER_AGENT"); path != "" {
		return path
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	beside := filepath.Join(filepath.Dir(self), agentName)
	installed := filepath.Join(filepath.Dir(self), "..", "lib", "banger", agentName)
	if _, err := os.Stat(beside); err != nil {
		if _, err := os.Stat(installed); err == nil {
			return installed
		}
	}
	return beside
}

func packModules(ctx context.Context, tar io.Reader, path string) error {
	_, err := rootfs.FromTar(ctx, tar, path, rootfs.Options{})
	return err
}
