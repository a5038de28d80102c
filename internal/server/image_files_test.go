package server_test

import (
	"context"
	"errors"
	"testing"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
	"github.com/bangervm/banger/internal/fault"
)

func TestFilesAndNamesOfImages(t *testing.T) {
	f := start(t)
	made := func(begin func(context.Context) (api.Operation, error)) (api.Image, error) {
		op, err := begin(t.Context())
		if err == nil {
			op, err = f.client.Wait(t.Context(), op.ID, nil)
		}
		if err != nil {
			return api.Image{}, err
		}
		return client.Result[api.Image](op)
	}
	m, err := made(func(ctx context.Context) (api.Operation, error) {
		return f.client.RegisterImage(ctx, api.RegisterImage{Name: "mine", Rootfs: "/r"})
	})
	if err != nil || m.Name != "mine" || m.External != "/r" || m.Problem != "/r is missing" {
		t.Errorf("registered %+v, %v", m, err)
	}
	for verb, begin := range map[string]func(context.Context, string) (api.Operation, error){
		"promote": f.client.PromoteImage, "repair": f.client.RepairImage,
	} {
		m, err := made(func(ctx context.Context) (api.Operation, error) { return begin(ctx, "mine") })
		if err != nil || m.Name != "mine" || m.Problem != "" {
			t.Errorf("%s: %+v, %v", verb, m, err)
		}
	}
	_, err = made(func(ctx context.Context) (api.Operation, error) { return f.client.VerifyImage(ctx, "mine") })
	if !errors.Is(err, fault.Unavailable) {
		t.Errorf("verify: %v", err)
	}
	if m, err := f.client.TagImage(t.Context(), "mine", api.TagImage{Name: "more"}); err != nil || m.Name != "more" {
		t.Errorf("tagged %+v, %v", m, err)
	}
	if m, err := f.client.TagImage(t.Context(), "mine", api.TagImage{Name: "lost"}); err != nil || !m.Damaged || m.Problem != "it has lost its kernel" {
		t.Errorf("without its kernel: %+v, %v", m, err)
	}
}
