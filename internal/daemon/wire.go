package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/bangervm/banger/internal/aptkernel"
	"github.com/bangervm/banger/internal/buildinfo"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/catalogstore"
	"github.com/bangervm/banger/internal/creation"
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
	"github.com/bangervm/banger/internal/snapshotstore"
	"github.com/bangervm/banger/internal/sqlite"
	"github.com/bangervm/banger/internal/sshkeys"
	"github.com/bangervm/banger/internal/statedir"
	"github.com/bangervm/banger/internal/suspendstore"
	"github.com/bangervm/banger/internal/template"
	"github.com/bangervm/banger/internal/templatestore"
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
	saved      *templatestore.Store
	templates  *template.Service
	host       host

	namesMu      sync.Mutex
	names        *hostdns.Server // nil: it does not answer
	namesProblem string          // why not, though it should
	resolver     *hostdns.Host
	web          *webDoor
}

// parts are what services are made of, and what the daemon itself needs only to sweep.
type parts struct {
	self        string // bangerd's own executable
	disks       *rootfs.Disks
	known       *sshkeys.KnownHosts
	kernelFiles *kernelstore.Store
	packages    *aptkernel.Client
	archives    *initramfs.Builder
	applier     *gitapply.Applier
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
	d.store = &cachedVMs{Store: db.VMs(), names: byID}
	d.web = newWebDoor(d)
	set.agent, set.renames, set.rewebs = agentPath(self), d.renames, d.web.serve
	p := &parts{
		self: self, disks: rootfs.NewDisks(dirs.DiskTemplates()), known: sshkeys.NewKnownHosts(dirs), kernelFiles: kernelstore.New(dirs, log),
		packages: aptkernel.New(dirs.Packages(), kernelstore.OpenSource), archives: initramfs.New(dirs, set.agent, log),
	}
	if err := d.wireCatalogs(p); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	d.wireVMs(p)
	d.runner = operation.NewRunner(db.Operations(), time.Now, log)
	d.runner.Tell(d.feed)
	if err := d.sweep(ctx, p); err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.templates.Run(ctx)
	return d, nil
}

// wireCatalogs makes the images and kernels, and what they come from.
func (d *daemon) wireCatalogs(p *parts) error {
	d.layers = oci.NewClient(d.dirs.Blobs(), oci.Options{CacheMax: d.set.cacheMax, Registries: d.set.registries, Log: d.log})
	d.downloads = download.New(d.dirs.Downloads(), download.Options{})
	d.images = image.NewService(imagestore.New(d.dirs, d.log), d.layers, rootfs.Images{}, users{vms: d.store}, time.Now, d.log)
	catalogs, err := catalog.New(catalog.Builtin(), d.downloads, catalogstore.New(d.dirs, d.log), time.Now)
	if err != nil {
		return err
	}
	sources := catalogSources{catalogs, d.set}
	distro, release := hostinfo.Distribution()
	d.kernels = kernel.NewService(kernel.Deps{
		Store: p.kernelFiles, Executables: vmlinux.Executables{}, Modules: kmod.New(packModules),
		Users: kernelUsers{vms: d.store, images: func() *image.Service { return d.images }, store: p.kernelFiles, dirs: d.dirs},
		Open:  kernelstore.OpenSource, Now: time.Now, Architecture: runtime.GOARCH, Distro: distro, Release: release,
		Catalogs: sources, Packages: p.packages, Bundles: bundles{d.downloads}, Events: d.feed,
	})
	d.images.Tell(d.feed)
	d.images.UseCatalogs(sources, runtime.GOARCH)
	d.images.UseKernels(imageKernels{service: d.kernels, store: p.kernelFiles, dirs: d.dirs, images: d.images, vms: d.store})
	d.images.UseLayers(imageLayers{d.layers})
	d.images.UseArchives(imageArchives{d.images, d.layers})
	return nil
}

// wireVMs makes the VMs, and what is in them.
func (d *daemon) wireVMs(p *parts) {
	d.folders = vmdir.New(d.dirs, p.disks)
	d.wireTemplates()
	d.launcher = monitors.New(d.dirs, []string{p.self, "monitor"}, d.log).Confine([]string{p.self, "confine"}, drivers.Needs).
		Sweeps(drivers.Sweep).Templates(d.saved.Open)
	guests := d.guests()
	d.sessions = session.New(session.Deps{
		Store: d.db.Sessions(), VMs: sessionVMs{d}, Guests: guests, Pipes: guests, Events: d.feed, Log: d.log,
	})
	git := hostgit.New(hostgit.DefaultLimits())
	p.applier = gitapply.New(git, d.dirs.Applies(), gitapply.SyncFilesystem)
	d.workspaces = workspace.New(workspace.Deps{
		Store: d.db.Workspaces(), VMs: workspaces{d}, Git: gitrepo.New(git), Applier: p.applier, Guests: guests,
		Vaults: vmdir.NewVaults(d.dirs), Events: d.feed, Log: d.log,
	})
	who := identities{VMs: d.folders, known: p.known, key: d.set.sshKey}
	d.vms = vm.New(vm.Deps{
		Workspaces: workspaces{d}, Files: d.set.placedFiles,
		Events: vmEvents{d.feed, d.sessions},
		Store:  d.store, Machines: d.launcher, Disks: d.folders,
		Identities: who, Names: who,
		Images:      images{service: d.images},
		Suspensions: suspensions{suspendstore.New(d.dirs)},
		Snapshots:   snapshots{snapshotstore.New(d.dirs), d.dirs}, Diffs: diffs{d.images}, Quiet: guests,
		Commits: commits{d.images}, EgressRules: d.db.EgressRules(), Templates: d.templates,
		Kernels: kernels{service: d.kernels, images: d.images, store: p.kernelFiles, archives: p.archives, dirs: d.dirs},
		Host:    d.host, Ports: guests, Preflight: d.host.preflight(p.self, d.set.agent),
		HostPorts: hostinfo.Ports{}, UID: os.Getuid(), Resolvers: d.set.resolvers, ReadyTimeout: d.set.readyTimeout,
		Defaults: d.set.defaults, Log: d.log,
	})
}

// sweep removes or takes over what an earlier daemon left.
func (d *daemon) sweep(ctx context.Context, p *parts) error {
	for _, sweep := range []func(context.Context) error{
		d.runner.Recover, d.images.Sweep, d.kernels.Sweep, d.layers.Sweep, d.downloads.Sweep, p.packages.Sweep, d.templates.Sweep,
		d.vms.Reconcile, d.sessions.Reconcile, d.workspaces.Sweep,
		p.disks.Sweep, d.recoverApplies(p.applier),
		func(ctx context.Context) error { return p.archives.Sweep(ctx, time.Now()) },
		func(ctx context.Context) error { return d.keepKnown(ctx, p.known) },
		d.serveNames,
	} {
		if err := sweep(ctx); err != nil {
			return err
		}
	}
	return nil
}

// close stops the services and closes the database. Of a daemon that serves, end first
// stops operations and requests.
func (d *daemon) close() error {
	d.web.close()
	err := d.closeNames()
	d.templates.Close()
	d.vms.Close()
	d.saved.Close()
	d.sessions.Close()
	d.workspaces.Close()
	return errors.Join(err, d.db.Close())
}

func (d *daemon) services() server.Services {
	return server.Services{
		VMs: d.vms, Creations: creation.Service{VMs: d.vms, Workspaces: d.workspaces, Sessions: d.sessions}, Guests: d.guests(), Consoles: consoles{dirs: d.dirs}, Resolver: d.resolver,
		Sessions: d.sessions, Workspaces: d.workspaces, Snapshots: d.vms,
		Images: d.images, Kernels: d.kernels, Templates: templates{d.templates, d.vms}, Operations: d.runner, Daemon: d,
		System: systemFiles{dirs: d.dirs, images: d.images, layers: d.layers, downloads: d.downloads, kernels: d.kernels, vms: d.store, snapshots: snapshotstore.New(d.dirs), templates: d.templates},
		Events: d.journal, Web: d.web, Host: d,
	}
}

func packModules(ctx context.Context, tar io.Reader, path string) error {
	_, err := rootfs.FromTar(ctx, tar, path, rootfs.Options{})
	return err
}
