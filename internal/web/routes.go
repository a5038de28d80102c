package web

import (
	"net/http"

	"github.com/bangervm/banger/internal/client/vmaction"
	"github.com/bangervm/banger/internal/fault"
)

// routes are all pages and forms. What changes something is a POST, behind the gate's
// checks; it answers with a redirect to the page that shows what came of it.
func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /assets/{version}/{file}", c.asset)
	mux.HandleFunc("GET /favicon.ico", c.icon)
	mux.HandleFunc("POST /theme", c.setTheme)
	mux.HandleFunc("POST /keys", c.setKeys)
	mux.HandleFunc("GET /files", c.filesPage)
	mux.HandleFunc("GET /doctor", c.doctorPage)
	mux.HandleFunc("GET /settings", c.settingsPage)
	mux.HandleFunc("POST /settings", c.rulesAct)

	mux.HandleFunc("GET /live", c.live)
	mux.HandleFunc("GET /{$}", c.dashboard)
	mux.HandleFunc("POST /vms", c.bulk)
	mux.HandleFunc("GET /create", c.createPage)
	mux.HandleFunc("POST /create", c.create)
	mux.HandleFunc("POST /command/{form}", c.formCommand)
	mux.HandleFunc("GET /vms/{name}", c.vmPage)
	mux.HandleFunc("POST /vms/{name}", c.vmAct)
	mux.HandleFunc("GET /vms/{name}/menu", c.vmMenu)
	mux.HandleFunc("GET /vms/{name}/workspace", c.workspacePage)
	mux.HandleFunc("POST /vms/{name}/workspace", c.workspaceAct)
	mux.HandleFunc("GET /vms/{name}/workspace/diff", c.diffPage)
	mux.HandleFunc("GET /vms/{name}/workspace/apply", c.applyPage)
	mux.HandleFunc("POST /vms/{name}/workspace/download", c.downloadExport)
	mux.HandleFunc("GET /vms/{name}/egress", c.egressPage)
	mux.HandleFunc("POST /vms/{name}/egress", c.egressAct)
	mux.HandleFunc("GET /vms/{name}/console", c.consolePage)
	mux.HandleFunc("GET /vms/{name}/console/download", c.downloadConsole)
	mux.HandleFunc("GET /vms/{name}/ports", c.portsPage)
	mux.HandleFunc("POST /vms/{name}/ports", c.forward)
	mux.HandleFunc("GET /vms/{name}/resources", c.resourcesPage)
	mux.HandleFunc("GET /vms/{name}/processes", c.processesPage)
	for _, a := range vmaction.All() {
		if a.Runs() && a.Confirms() {
			mux.HandleFunc("GET /vms/{name}/"+a.ID, c.confirmPage(a))
			mux.HandleFunc("POST /vms/{name}/"+a.ID, c.confirmed(a))
		}
	}
	mux.HandleFunc("GET /vms/{name}/rename", c.renamePage)
	mux.HandleFunc("POST /vms/{name}/rename", c.rename)
	mux.HandleFunc("GET /vms/{name}/set", c.setPage)
	mux.HandleFunc("POST /vms/{name}/set", c.set)
	mux.HandleFunc("GET /vms/{name}/commit", c.commitPage)
	mux.HandleFunc("POST /vms/{name}/commit", c.commit)
	mux.HandleFunc("POST /vms/{name}/sessions", c.startSession)
	mux.HandleFunc("GET /vms/{name}/sessions/{session}", c.terminalPage)
	mux.HandleFunc("GET /vms/{name}/sessions/{session}/attach", c.attach)
	mux.HandleFunc("GET /vms/{name}/sessions/{session}/end", c.endPage)
	mux.HandleFunc("POST /vms/{name}/sessions/{session}/end", c.end)
	mux.HandleFunc("POST /vms/{name}/sessions/{session}/send", c.sendText)
	mux.HandleFunc("GET /vms/{name}/sessions/{session}/kill", c.killPage)
	mux.HandleFunc("POST /vms/{name}/sessions/{session}/kill", c.kill)
	mux.HandleFunc("GET /images", c.imagesPage)
	mux.HandleFunc("POST /images", c.imageAct)
	mux.HandleFunc("GET /images/delete", c.imageDeletePage)
	mux.HandleFunc("GET /images/tag", c.imageTagPage)
	mux.HandleFunc("GET /images/register", c.registerPage)
	mux.HandleFunc("GET /prune", c.prunePage)
	mux.HandleFunc("POST /prune", c.prune)
	mux.HandleFunc("GET /kernels", c.kernelsPage)
	mux.HandleFunc("POST /kernels", c.kernelAct)
	mux.HandleFunc("GET /kernels/delete", c.kernelDeletePage)
	mux.HandleFunc("GET /operations", c.operationsPage)
	mux.HandleFunc("GET /operations/{id}", c.operationPage)
	mux.HandleFunc("POST /operations/{id}/cancel", c.cancelOperation)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.fail(w, r, fault.New(fault.NotFound, "there is no page %s", r.URL.Path))
	})
	return mux
}
