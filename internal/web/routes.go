package web

import (
	"net/http"
)

// routes are all pages and forms. What changes something is a POST, behind the gate's
// checks; it answers with a redirect to the page that shows what came of it.
func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{version}/{file}", c.asset)
	mux.HandleFunc("POST /theme", c.setTheme)

	mux.HandleFunc("GET /{$}", c.dashboard)
	mux.HandleFunc("POST /vms", c.bulk)
	mux.HandleFunc("GET /vms/{name}", c.vmPage)
	mux.HandleFunc("POST /vms/{name}", c.vmAct)
	mux.HandleFunc("GET /vms/{name}/delete", c.deletePage)
	mux.HandleFunc("POST /vms/{name}/delete", c.deleteVM)
	mux.HandleFunc("GET /images", c.imagesPage)
	mux.HandleFunc("POST /images", c.pullImage)
	mux.HandleFunc("POST /images/{name}/delete", c.deleteImage)
	mux.HandleFunc("GET /kernels", c.kernelsPage)
	mux.HandleFunc("POST /kernels", c.pullKernel)
	mux.HandleFunc("GET /operations", c.operationsPage)
	mux.HandleFunc("GET /operations/{id}", c.operationPage)
	mux.HandleFunc("POST /operations/{id}/cancel", c.cancelOperation)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.refuse(w, r, http.StatusNotFound, "There is no such page.")
	})
	return mux
}
