package server

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/bangervm/banger/internal/api"
)

// archiveType is the media type of a tar.
const archiveType = "application/x-tar"

func (s *Server) imageSaveRoute(a huma.API) {
	save := route{id: "save-image", method: http.MethodGet, path: "/images/{name}/archive", tag: "images", summary: "Save an image as an OCI archive"}
	save.describe = answersText(archiveType, "The image is read twice: the answer begins when its digest is known. The header "+
		api.ArchiveLayersHeader+" has the numbers of layers in it as JSON: pulled, merged, committed; and lost, why a layer that is here "+
		"is not in it. "+api.ArchiveDigestHeader+" has the digest of its manifest.")
	handleStream(s, a, save, s.saveImage)
}

func (s *Server) saveImage(ctx context.Context, in *Named) (func(http.ResponseWriter, *http.Request), error) {
	ctx, cancel := s.untilEnd(ctx)
	archive, err := s.Images.Save(ctx, in.Name)
	if err != nil {
		cancel()
		return nil, err
	}
	layers, err := json.Marshal(api.ArchiveLayers(archive.Form()))
	if err != nil {
		cancel()
		return nil, errors.Join(err, archive.Close())
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		defer cancel()
		defer func() { _ = archive.Close() }()
		w.Header().Set("Content-Type", archiveType)
		w.Header().Set(api.ArchiveLayersHeader, string(layers))
		w.Header().Set(api.ArchiveDigestHeader, archive.Digest())
		if err := archive.Write(ctx, w); err != nil {
			if ctx.Err() == nil {
				s.log.Warn("save an image", "name", in.Name, "error", err)
			}
			panic(http.ErrAbortHandler) // the client must not take it for whole
		}
	}, nil
}
