package web

import (
	"context"
	"io"
	"iter"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/client/vmaction"
)

// API is what the console asks of the daemon; *client.Client has it.
type API interface {
	vmaction.API
	Ping(ctx context.Context) (api.Ping, error)
	Config(ctx context.Context) (api.Config, error)
	Doctor(ctx context.Context) (api.DoctorReport, error)
	Events(ctx context.Context, opts client.EventOptions) iter.Seq2[api.Event, error]
	LookVM(ctx context.Context, name string, within time.Duration) (api.VM, error)
	CreateVM(ctx context.Context, req api.CreateVM) (api.Operation, error)
	VMPorts(ctx context.Context, name string) ([]api.Port, error)
	VMForwards(ctx context.Context, name string) ([]api.Forward, error)
	AddVMForward(ctx context.Context, name string, req api.Forward) (api.Forward, error)
	RemoveVMForward(ctx context.Context, name string, req api.Forward) error
	VMStats(ctx context.Context, name string) (api.Stats, error)
	VMProcesses(ctx context.Context, name string) (api.Processes, error)
	VMLogs(ctx context.Context, name string, opts client.LogOptions) (io.ReadCloser, error)
	VMEgress(ctx context.Context, name string) (api.Egress, error)
	SetVMEgress(ctx context.Context, name string, req api.SetEgress) (api.Egress, error)
	AddVMEgress(ctx context.Context, name string, req api.AddEgress) (api.Egress, error)
	EgressRules(ctx context.Context) (api.EgressRules, error)
	AddEgressRules(ctx context.Context, req api.ChangeEgressRules) (api.EgressRules, error)
	RemoveEgressRules(ctx context.Context, req api.ChangeEgressRules) (api.EgressRules, error)
	TestVMEgress(ctx context.Context, name string, req api.TestEgress) (api.EgressVerdict, error)
	VMEgressLog(ctx context.Context, name string, opts client.LogOptions) (io.ReadCloser, error)
	PrepareWorkspace(ctx context.Context, name string, req api.PrepareWorkspace) (api.Operation, error)
	ExportWorkspace(ctx context.Context, name string, req api.ExportWorkspace) (api.Operation, error)
	ReadExport(ctx context.Context, name string, e api.Export) (io.ReadCloser, error)
	AcceptExport(ctx context.Context, name, id string) error
	ListSessions(ctx context.Context, vm string) ([]api.Session, error)
	GetSession(ctx context.Context, vm, name string) (api.Session, error)
	StopSession(ctx context.Context, vm, name string, req api.StopSession) (api.Session, error)
	KillSession(ctx context.Context, vm, name string, req api.KillSession) (api.Session, error)
	SendSession(ctx context.Context, vm, name string, p []byte, eof bool) error
	RemoveSession(ctx context.Context, vm, name string) error
	StartSession(ctx context.Context, vm string, req api.StartSession) (api.Session, error)
	Attach(vm, name string, opts client.AttachOptions) *client.Attachment
	ListImages(ctx context.Context) ([]api.Image, error)
	AvailableImages(ctx context.Context) (api.AvailableImages, error)
	PullImage(ctx context.Context, req api.PullImage) (api.Operation, error)
	GetImage(ctx context.Context, name string) (api.Image, error)
	RegisterImage(ctx context.Context, req api.RegisterImage) (api.Operation, error)
	PromoteImage(ctx context.Context, name string) (api.Operation, error)
	VerifyImage(ctx context.Context, name string) (api.Operation, error)
	RepairImage(ctx context.Context, name string) (api.Operation, error)
	TagImage(ctx context.Context, name string, req api.TagImage) (api.Image, error)
	ImportKernel(ctx context.Context, req api.ImportKernel) (api.Operation, error)
	DeleteKernel(ctx context.Context, name string) (api.DeletedKernel, error)
	DiskUsage(ctx context.Context) (api.DiskUsage, error)
	CommitVM(ctx context.Context, name string, req api.CommitVM) (api.Operation, error)
	HostStats(ctx context.Context) (api.HostStats, error)
	Prunable(ctx context.Context, req api.Prune) (api.Pruned, error)
	Prune(ctx context.Context, req api.Prune) (api.Operation, error)
	DeleteImage(ctx context.Context, name string) error
	AvailableKernels(ctx context.Context) (api.AvailableKernels, error)
	PullKernel(ctx context.Context, req api.PullKernel) (api.Operation, error)
	ListKernels(ctx context.Context) ([]api.Kernel, error)
	ListOperations(ctx context.Context) ([]api.Operation, error)
	GetOperation(ctx context.Context, id string) (api.Operation, error)
	Wait(ctx context.Context, id string, onUpdate func(api.Operation)) (api.Operation, error)
	CancelOperation(ctx context.Context, id string) (api.Operation, error)
}
