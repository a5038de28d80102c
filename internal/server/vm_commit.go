package server

import (
	"context"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
)

func (s *Server) commitVM(ctx context.Context, in *vmRequest[api.CommitVM]) (api.Operation, error) {
	v, err := s.known(ctx, in.Name)
	if err != nil {
		return api.Operation{}, err
	}
	req := image.CommitRequest{VM: v.Name, Base: v.ImageID, Name: in.Body.Image, Replace: in.Body.Replace}
	if err := s.Images.CheckCommit(ctx, req); err != nil {
		return api.Operation{}, err
	}
	op, err := s.Operations.Start(ctx, "vm.commit", v.Name, func(ctx context.Context, p operation.Progress) (any, error) {
		return s.madeImage(s.VMs.Commit(ctx, v.ID, req.Name, req.Replace, p))
	})
	return operationBody(op), err
}
