// Package acttest lists what package act has, for tests of the doors' tables.
package acttest

import "github.com/bangervm/banger/internal/act"

// Verbs returns every verb.
func Verbs() []act.Verb {
	bare := []act.Bare{
		act.ConfigShow, act.DaemonLogs, act.DaemonStart, act.DaemonStatus, act.DaemonStop, act.Doctor, act.EgressShow, act.ImageList, act.ImageRegister, act.KernelList,
		act.VMCopy, act.VMCreate, act.VMList,
	}
	named := []act.Named{
		act.ImageDelete, act.ImagePull, act.ImageRepair, act.ImageTag, act.KernelDelete, act.KernelImport, act.KernelPull, act.SessionList,
		act.SnapshotCreate, act.SnapshotDelete, act.SnapshotList, act.SnapshotPrune, act.VMCommit, act.VMDelete, act.VMEgress, act.VMExec,
		act.VMHealth, act.VMKill,
		act.VMLogs, act.VMPause, act.VMPorts, act.VMProtect, act.VMRename, act.VMReset, act.VMRestart, act.VMResume, act.VMSet, act.VMSSH, act.VMStart, act.VMStop, act.VMSuspend, act.VMUnprotect, act.VMWait,
		act.WorkspaceExport, act.WorkspacePrepare,
	}
	inVM := []act.InVM{act.SessionAttach, act.SessionDelete, act.SessionShow, act.SessionStop}
	verbs := make([]act.Verb, 0, len(bare)+len(named)+len(inVM))
	for _, v := range bare {
		verbs = append(verbs, act.Verb(v))
	}
	for _, v := range named {
		verbs = append(verbs, act.Verb(v))
	}
	for _, v := range inVM {
		verbs = append(verbs, act.Verb(v))
	}
	return verbs
}

// Options returns the options that a verb can be done with.
func Options(v act.Verb) []act.Option {
	switch v {
	case act.Verb(act.VMDelete):
		return []act.Option{act.Force, act.DiscardWork}
	case act.Verb(act.VMCommit), act.Verb(act.ImageTag):
		return []act.Option{act.Replace}
	case act.Verb(act.SnapshotCreate):
		return []act.Option{act.DiskOnly}
	case act.Verb(act.VMReset), act.Verb(act.SnapshotDelete), act.Verb(act.SnapshotPrune):
		return []act.Option{act.DiscardWork}
	case act.Verb(act.ImageList), act.Verb(act.KernelList):
		return []act.Option{act.Available}
	case act.Verb(act.DaemonStop), act.Verb(act.KernelPull):
		return []act.Option{act.Force}
	case act.Verb(act.WorkspaceExport):
		return []act.Option{act.BaseCommit, act.FormatBundle, act.FormatPatch}
	case act.Verb(act.WorkspacePrepare):
		return []act.Option{act.Force, act.FullCopy, act.Shallow}
	case act.Verb(act.ImagePull):
		return []act.Option{act.Name, act.Platform, act.Replace}
	case act.Verb(act.ImageRegister):
		return []act.Option{act.Name, act.Replace}
	case act.Verb(act.VMSet):
		return []act.Option{act.Console, act.Memory}
	case act.Verb(act.VMStart):
		return []act.Option{act.Cold, act.Rescue}
	case act.Verb(act.VMCreate):
		return []act.Option{act.Entrypoint, act.Memory, act.UserNetwork}
	default:
		return nil
	}
}
