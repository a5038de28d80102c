package act

// The verbs. A new one needs a line in acttest and in the table of each door.
const (
	ConfigShow Bare = "config.show"
	Doctor     Bare = "doctor"
	EgressShow Bare = "egress.show"

	DaemonLogs   Bare = "daemon.logs"
	DaemonStart  Bare = "daemon.start"
	DaemonStatus Bare = "daemon.status"
	DaemonStop   Bare = "daemon.stop"

	ImageDelete   Named = "image.delete"
	ImageList     Bare  = "image.list"
	ImagePull     Named = "image.pull" // its subject is a reference
	ImageRegister Bare  = "image.register"
	ImageRepair   Named = "image.repair"
	ImageTag      Named = "image.tag"

	KernelDelete Named = "kernel.delete"
	KernelImport Named = "kernel.import" // its subject is the name to import it under
	KernelList   Bare  = "kernel.list"
	KernelPull   Named = "kernel.pull"

	VMCommit    Named = "vm.commit"
	VMCopy      Bare  = "vm.copy"
	VMCreate    Bare  = "vm.create"
	VMDelete    Named = "vm.delete"
	VMEgress    Named = "vm.egress"
	VMExec      Named = "vm.exec"
	VMHealth    Named = "vm.health"
	VMKill      Named = "vm.kill"
	VMList      Bare  = "vm.list"
	VMLogs      Named = "vm.logs"
	VMPause     Named = "vm.pause"
	VMPorts     Named = "vm.ports"
	VMProtect   Named = "vm.protect"
	VMRename    Named = "vm.rename"
	VMReset     Named = "vm.reset"
	VMRestart   Named = "vm.restart"
	VMResume    Named = "vm.resume"
	VMSet       Named = "vm.set"
	VMSSH       Named = "vm.ssh"
	VMStart     Named = "vm.start"
	VMStop      Named = "vm.stop"
	VMSuspend   Named = "vm.suspend"
	VMUnprotect Named = "vm.unprotect"
	VMWait      Named = "vm.wait"

	// A snapshot of a VM is a target.
	SnapshotCreate Named = "snapshot.create"
	SnapshotDelete Named = "snapshot.delete"
	SnapshotList   Named = "snapshot.list"
	SnapshotPrune  Named = "snapshot.prune"

	SessionAttach InVM  = "session.attach"
	SessionDelete InVM  = "session.delete"
	SessionList   Named = "session.list"
	SessionShow   InVM  = "session.show"
	SessionStop   InVM  = "session.stop"

	WorkspaceExport  Named = "workspace.export"
	WorkspacePrepare Named = "workspace.prepare"
)

// Option is how to do an act.
type Option string

// The options. A new one needs a line in acttest and in the table of each door.
const (
	Available   Option = "available"    // what catalogs have too
	Cold        Option = "cold"         // boot a kernel, also where the VM is suspended
	Console     Option = "console"      // with a console log
	DiscardWork Option = "discard_work" // delete unexported work too
	DiskOnly    Option = "disk_only"    // of a running VM, without its memory
	Entrypoint  Option = "entrypoint"   // run the image's program
	Force       Option = "force"
	Memory      Option = "memory"   // of a size that the reader chooses
	Name        Option = "name"     // under a name that the reader chooses
	Platform    Option = "platform" // for a platform that the reader chooses
	Replace     Option = "replace"  // take the name from another image
	Rescue      Option = "rescue"   // start with the agent as PID 1
	UserNetwork Option = "user_network"

	BaseCommit   Option = "base_commit"   // against a commit that the reader chooses
	FormatBundle Option = "format_bundle" // as a git bundle
	FormatPatch  Option = "format_patch"  // as one patch
	FullCopy     Option = "full_copy"     // the whole repository
	Shallow      Option = "shallow"       // what HEAD and the work tree have
)
