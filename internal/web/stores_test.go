package web_test

import (
	"net/http"
	"net/url"
	"slices"
	"testing"
)

func TestImagesAndKernels(t *testing.T) {
	b := open(t)
	for want, form := range map[string]url.Values{
		"pull debian:12":         {"do": {"pull"}, "ref": {" debian:12 "}},
		"promote a/b":            {"do": {"promote"}, "name": {"a/b"}},
		"verify a/b":             {"do": {"verify"}, "name": {"a/b"}},
		"repair a/b":             {"do": {"repair"}, "name": {"a/b"}},
		"tag a/b c":              {"do": {"tag"}, "name": {"a/b"}, "new": {"c"}},
		"delete image a/b":       {"do": {"delete"}, "name": {"a/b"}},
		"register mine /r.ext4":  {"do": {"register"}, "name": {"mine"}, "rootfs": {"/r.ext4"}},
		"import kernel k /boots": {"do": {"import"}, "name": {"k"}, "from": {"/boots"}, "at": {"/kernels"}},
		"pull kernel k":          {"do": {"pull"}, "name": {"k"}, "at": {"/kernels"}},
		"delete kernel k":        {"do": {"delete"}, "name": {"k"}, "at": {"/kernels"}},
		"prune all=true":         {"all": {"yes"}, "at": {"/prune"}},
	} {
		b.api.calls = nil
		at := form.Get("at")
		if at == "" {
			at = "/images"
		}
		if b.send(at, form); !slices.Equal(b.api.calls, []string{want}) {
			t.Errorf("%s: it did %v", want, b.api.calls)
		}
	}
	for _, path := range []string{"/images", "/kernels"} {
		b.do(http.MethodPost, path, url.Values{"do": {"levitate"}, "token": {b.token()}}, http.StatusUnprocessableEntity)
	}
	b.do(http.MethodPost, "/images", url.Values{"do": {"pull"}, "token": {b.token()}}, http.StatusUnprocessableEntity)
}

func TestPruneNamesWhatGoes(t *testing.T) {
	b := open(t)
	wants(t, b.get("/images", http.StatusOK), "3 GiB on disk", "Prune 2 GiB…")
	wants(t, b.get("/prune?all=1", http.StatusOK), "frees 1 GiB", "1 MiB of cached layers", "banger system prune --all")
	wants(t, b.get("/prune", http.StatusOK), "Nothing to prune", "banger system prune")
	wants(t, b.get("/images/delete?name=a/b", http.StatusOK), "Delete a/b", "1 MiB on the host's disk", "banger image rm a/b")
}

// The page of a kernel's deletion says who uses it.
func TestAKernelsDeletionSaysWhoUsesIt(t *testing.T) {
	b := open(t)
	wants(t, b.get("/kernels/delete?"+url.Values{"name": {hostile}}.Encode(), http.StatusOK), "1 VM with copies of their own, which go on: web", "Images whose VMs get it: "+hostile[:8], "banger kernel rm")
	b.get("/kernels/delete?name=none", http.StatusNotFound)
}
