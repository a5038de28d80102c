package image

import (
	"context"
	"encoding/json"
	"errors"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/catalog"
	"github.com/bangervm/banger/internal/fault"
	"github.com/bangervm/banger/internal/nearest"
	"github.com/bangervm/banger/internal/operation"
)

// bare reports whether a reference is one word, as the names of catalogs are.
func bare(ref string) bool { return ref != "" && !strings.ContainsAny(ref, ":/@") }

// absence is what a look into catalogs tells that found nothing.
type absence struct {
	problems error  // joins what went wrong with catalogs
	withheld error  // a fault, if one that cannot be used has the name
	near     string // the name in a catalog that was meant, probably, or empty
}

// explain adds to the error of a registry that does not have the image which was meant,
// probably.
func (a absence) explain(err error) error {
	switch code := fault.CodeOf(err); {
	case err == nil || a.near == "":
		return err
	case code == fault.NotFound || code == fault.PermissionDenied || code == fault.Unavailable:
		meant := fault.Hintf("did you mean %s?", a.near)
		if was := fault.HintOf(err); len(was) > 0 {
			meant = fault.Hintf("%s If not, %s", meant, was)
		}
		return fault.Wrap(code, err, "").WithHint("%s", meant)
	}
	return err
}

// fromCatalog makes a request for a bare name one for the image that a catalog has
// by that name. found is false when none has, and absent tells more. It begins the stage
// catalog.
func (s *Service) fromCatalog(ctx context.Context, req PullRequest, p operation.Progress) (full PullRequest, found bool, absent absence, err error) {
	if s.catalogs == nil || !bare(req.Ref) {
		return req, false, absence{}, nil
	}
	p.Stage(stageCatalog)
	entries, problems, err := s.entries(ctx)
	if err != nil {
		return req, false, absence{}, err
	}
	var names []string
	for _, f := range entries {
		names = append(names, f.Entry.Name)
		switch {
		case f.Entry.Name != req.Ref:
		case f.Entry.Ref == "":
			return req, false, absence{}, fault.New(fault.NotFound, "image %s is in no registry", f.Entry.Name).WithHint("to make it: %s", f.Entry.Make)
		default:
			p.Detail("%s: %s", f.Entry.Name, f.Entry.Description)
			return f.Entry.complete(req), true, absence{}, nil
		}
	}
	return req, false, absence{errors.Join(problems...), withheld(problems, req.Ref), nearest.Name(req.Ref, names)}, nil
}

// withheld is a fault Unavailable if a catalog that cannot be used has the name: another
// registry's image by that name is another one.
func withheld(problems []error, name string) error {
	for _, problem := range problems {
		w, ok := errors.AsType[*catalog.Withheld](problem)
		if !ok {
			continue
		}
		for _, raw := range w.Images {
			var e struct {
				Name string `json:"name"`
			}
			if json.Unmarshal(raw, &e) == nil && e.Name == name {
				return fault.Wrap(fault.Unavailable, problem, "cannot use the image %s of a catalog", name).
					WithHint("for the image of docker.io instead: %s", act.ImagePull.On("docker.io/library/"+name))
			}
		}
	}
	return nil
}
