package mcp

import (
	"context"
	"os"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/client"
)

// Images reads images, makes them of VMs, and writes them out. *client.Client is one.
type Images interface {
	ListImages(ctx context.Context) ([]api.Image, error)
	AvailableImages(ctx context.Context) (api.AvailableImages, error)
	CommitVM(ctx context.Context, name string, req api.CommitVM) (api.Operation, error)
	SaveImage(ctx context.Context, name string) (client.Archive, error)
}

type imageListArgs struct {
	Available bool `json:"available,omitempty" jsonschema:"list the images of catalogs too, which vm_create pulls"`
}

type image struct {
	Name       string   `json:"name" jsonschema:"empty if a newer pull took the name"`
	ID         string   `json:"id"`
	Ref        string   `json:"ref" jsonschema:"source"`
	Bytes      int64    `json:"disk_usage_bytes"`
	Entrypoint []string `json:"entrypoint"`
	Cmd        []string `json:"cmd"`
	User       string   `json:"user,omitempty"`
	WorkingDir string   `json:"working_dir,omitempty"`
}

type availableImage struct {
	Name        string `json:"name"`
	State       string `json:"state"`
	Ref         string `json:"ref,omitempty"`
	Description string `json:"description"`
}

type imageListResult struct {
	Images    []image          `json:"images"`
	Available []availableImage `json:"available,omitempty"`
}

type vmCommitArgs struct {
	VM      string `json:"vm" jsonschema:"name or ID prefix"`
	Image   string `json:"image" jsonschema:"name of the new image"`
	Replace bool   `json:"replace,omitempty" jsonschema:"take the name from another image, which stays for the VMs that use it"`
}

type imageSaveArgs struct {
	Image  string `json:"image" jsonschema:"name or ID prefix of a local image"`
	Output string `json:"output_path" jsonschema:"new file on the host (absolute path)"`
}

type imageSaveResult struct {
	Output    string `json:"output_path"`
	Bytes     int64  `json:"bytes" jsonschema:"archive size"`
	Pulled    int    `json:"pulled_layers"`
	Merged    int    `json:"merged_layers" jsonschema:"1 if the pulled layers are no longer in the cache"`
	Committed int    `json:"committed_layers" jsonschema:"added by vm_commit"`
}

func (s *Server) addImageTools() {
	addTool(s, spec{
		name: "image_list", title: "List images", description: "List local images, which vm_create does not need to pull.",
		effect: effect{readOnly: true},
	}, s.imageList)
	addTool(s, spec{
		name: "vm_commit", title: "Make an image of a VM",
		description: "Make an image of a stopped VM: its files with all changes. vm_create can use the image at once. Secrets in the files are in the image too.",
		effect:      effect{destructive: true},
		bounds:      bounds{"vm": vmName(), "image": {length(1, maxImage)}},
	}, s.vmCommit)
	addTool(s, spec{
		name: "image_save", title: "Save an image to a file",
		description: "Save an image to a new file on the host as an OCI archive, which skopeo and podman can read.",
		effect:      effect{idempotent: true},
		bounds:      bounds{"image": {length(1, maxImage)}, "output_path": absolutePath()},
	}, s.imageSave)
}

func (s *Server) imageList(ctx context.Context, _ *sdk.CallToolRequest, args imageListArgs) (imageListResult, error) {
	all, err := s.daemon.Images.ListImages(ctx)
	out := imageListResult{Images: []image{}}
	for _, i := range all {
		out.Images = append(out.Images, imageView(i))
	}
	if err != nil || !args.Available {
		return out, err
	}
	found, err := s.daemon.Images.AvailableImages(ctx)
	for _, i := range found.Items {
		out.Available = append(out.Available, availableImage{Name: i.Name, State: i.State, Ref: i.Ref, Description: i.Description})
	}
	return out, err
}

func imageView(i api.Image) image {
	return image{
		Name: i.Name, ID: i.ID, Ref: i.Ref, Bytes: i.DiskUsage, User: i.User, WorkingDir: i.WorkingDir,
		Entrypoint: append([]string{}, i.Entrypoint...), Cmd: append([]string{}, i.Cmd...),
	}
}

func (s *Server) vmCommit(ctx context.Context, req *sdk.CallToolRequest, args vmCommitArgs) (image, error) {
	op, err := s.follow(ctx, req, func(ctx context.Context) (api.Operation, error) {
		return s.daemon.Images.CommitVM(ctx, args.VM, api.CommitVM{Image: args.Image, Replace: args.Replace})
	})
	if err != nil {
		return image{}, err
	}
	made, err := client.Result[api.Image](op)
	return imageView(made), err
}

// imageSave writes the whole archive or no file.
func (s *Server) imageSave(ctx context.Context, _ *sdk.CallToolRequest, args imageSaveArgs) (imageSaveResult, error) {
	if err := absent(args.Output); err != nil {
		return imageSaveResult{}, err
	}
	archive, err := s.daemon.Images.SaveImage(ctx, args.Image)
	if err != nil {
		return imageSaveResult{}, err
	}
	defer func() { _ = archive.Close() }()
	if err := writeNew(args.Output, archive); err != nil {
		return imageSaveResult{}, err
	}
	info, err := os.Stat(args.Output)
	if err != nil {
		return imageSaveResult{}, hostFault(args.Output, err)
	}
	return imageSaveResult{
		Output: args.Output, Bytes: info.Size(),
		Pulled: archive.Layers.Pulled, Merged: archive.Layers.Merged, Committed: archive.Layers.Committed,
	}, nil
}
