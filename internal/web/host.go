package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/bangervm/banger/internal/act"
	"github.com/bangervm/banger/internal/act/cmdline"
	"github.com/bangervm/banger/internal/api"
	"github.com/bangervm/banger/internal/plain"
)

// doctorView is the body of the doctor's page.
type doctorView struct {
	Status  mark
	Checks  []checkView
	Counts  struct{ Fail, Warn int }
	Command string
}

type checkView struct {
	Name, Reason, Remedy string
	Status               mark
}

func (c *Console) doctorPage(w http.ResponseWriter, r *http.Request) {
	c.page(w, r, "doctor", func(ctx context.Context, s *shell) error {
		s.Title, s.Section = "Doctor", "doctor"
		report, err := c.api.Doctor(ctx)
		if err != nil {
			return err
		}
		view := doctorView{Status: checkMark(report.Status), Command: cmdline.Line(act.Doctor.Do())}
		rank := map[string]int{"fail": 0, "warn": 1, "info": 2, "ok": 3}
		slices.SortStableFunc(report.Checks, func(a, b api.DoctorCheck) int { return rank[a.Status] - rank[b.Status] })
		for _, check := range report.Checks {
			switch check.Status {
			case "fail":
				view.Counts.Fail++
			case "warn":
				view.Counts.Warn++
			}
			remedy := check.Remedy
			if len(check.RemedyParts) > 0 {
				remedy = check.RemedyParts.Word(cmdline.Line)
			}
			view.Checks = append(view.Checks, checkView{
				Name: check.Name, Status: checkMark(check.Status), Reason: plain.Line(check.Reason, maxProblem), Remedy: plain.Line(remedy, maxProblem),
			})
		}
		s.Body = view
		return nil
	})
}

func checkMark(status string) mark {
	icon := map[string]string{"fail": "failed", "warn": "error", "info": "info"}[status]
	if icon == "" {
		icon = "done"
	}
	return mark{State: status, Icon: icon}
}

// settingsView is the body of the settings' page.
type settingsView struct {
	File    string
	Problem *problem
	Rows    []settingView
	Rules   rulesView
	Theme   string
	Keys    bool // single keys are on
	Command string
}

type settingView struct {
	api.Setting
	Default bool
}

const keysCookie = "keys"

func (c *Console) settingsPage(w http.ResponseWriter, r *http.Request) {
	c.settings(w, r, func(*settingsView) {})
}

// settings shows the page once more has been put into it.
func (c *Console) settings(w http.ResponseWriter, r *http.Request, more func(*settingsView)) {
	c.page(w, r, "settings", func(ctx context.Context, s *shell) error {
		s.Title, s.Section = "Settings", "settings"
		cfg, err := c.api.Config(ctx)
		if err != nil {
			return err
		}
		view := settingsView{File: cfg.File, Theme: s.Theme, Keys: s.Keys, Command: cmdline.Line(act.ConfigShow.Do())}
		if cfg.Problem != nil {
			view.Problem = problemOf(cfg.Problem.Fault())
		}
		for _, setting := range cfg.Settings {
			setting.TOML = plain.Line(setting.TOML, maxProblem)
			view.Rows = append(view.Rows, settingView{Setting: setting, Default: setting.Source == "default"})
		}
		view.Rules, err = c.rulesOfNewVMs(ctx)
		more(&view)
		s.Body = view
		return err
	})
}

// setKeys keeps in a cookie whether single keys do something.
func (c *Console) setKeys(w http.ResponseWriter, r *http.Request) {
	c.keep(w, r, keysCookie, strings.TrimSpace(r.PostForm.Get("keys")), "off")
	c.lead(w, r, "/settings", "")
}
