package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/image"
	"github.com/bangervm/banger/internal/operation"
	"github.com/bangervm/banger/internal/server"
)

func TestInputReachesThePull(t *testing.T) {
	f := start(t)
	var got bytes.Buffer
	f.pull = func(_ context.Context, req image.PullRequest, _ operation.Progress) (image.Image, error) {
		_, err := io.Copy(&got, req.Input)
		return image.Image{Name: req.Name}, err
	}
	sent := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	op, err := f.client.PullImage(t.Context(), api.PullImage{Ref: "tar:-", Name: "deb"})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.client.SendInput(t.Context(), op.ID, bytes.NewReader(sent)); err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.Wait(t.Context(), op.ID, nil); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), sent) {
		t.Errorf("%d bytes arrived of %d", got.Len(), len(sent))
	}
	if err := f.client.SendInput(t.Context(), op.ID, strings.NewReader("x")); !errors.Is(err, fault.Conflict) {
		t.Errorf("input to an ended operation: %v", err)
	}
}

func TestInputThatBreaksOffFailsThePull(t *testing.T) {
	f := start(t)
	f.pull = func(_ context.Context, req image.PullRequest, _ operation.Progress) (image.Image, error) {
		_, err := io.Copy(io.Discard, req.Input)
		return image.Image{}, err
	}
	op, err := f.client.PullImage(t.Context(), api.PullImage{Ref: "tar:-"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	go func() {
		_, _ = w.Write(make([]byte, 4<<20)) // more than fits on the way: some of it has arrived
		cancel()
	}()
	if err := f.client.SendInput(ctx, op.ID, r); err == nil {
		t.Error("a broken send succeeded")
	}
	if _, err := f.client.Wait(t.Context(), op.ID, nil); !errors.Is(err, fault.Unavailable) {
		t.Errorf("the pull: %v", err)
	}
	_ = w.Close()
}

func TestInputThatNeverComesFailsThePull(t *testing.T) {
	f := start(t, func(o *server.Options) { o.InputTimeout = time.Millisecond })
	f.pull = func(_ context.Context, req image.PullRequest, _ operation.Progress) (image.Image, error) {
		_, err := io.Copy(io.Discard, req.Input)
		return image.Image{}, err
	}
	op, err := f.client.PullImage(t.Context(), api.PullImage{Ref: "tar:-"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.client.Wait(t.Context(), op.ID, nil); !errors.Is(err, fault.Unavailable) {
		t.Errorf("got %v", err)
	}
}

func TestPullThatEndsEarlyReleasesTheSender(t *testing.T) {
	f := start(t)
	f.pull = func(context.Context, image.PullRequest, operation.Progress) (image.Image, error) {
		return image.Image{}, fault.New(fault.Invalid, "that is no tar")
	}
	op, err := f.client.PullImage(t.Context(), api.PullImage{Ref: "tar:-"})
	if err != nil {
		t.Fatal(err)
	}
	_ = f.client.SendInput(t.Context(), op.ID, bytes.NewReader(make([]byte, 8<<20)))
	if _, err := f.client.Wait(t.Context(), op.ID, nil); !errors.Is(err, fault.Invalid) {
		t.Errorf("got %v", err)
	}
}
