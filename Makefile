# banger's build. `make` alone prints the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:

GO      ?= go
PREFIX  ?= $(HOME)/.local
DESTDIR ?=
BIN     := bin
TOOLS   := $(BIN)/tools

# The build stamp. A clean tree is stamped with its commit's time, so that the
# same commit always gives the same bytes; a changed tree with the present.
MODULE  := github.com/bangervm/banger
COMMIT  := $(shell git rev-parse HEAD 2>/dev/null)
DIRTY   := $(shell git status --porcelain 2>/dev/null | head -n 1)
VERSION ?= $(or $(shell git describe --tags --match 'v*' 2>/dev/null),devel)$(if $(DIRTY),+dirty)
BUILT   ?= $(shell if [ -n "$(COMMIT)" ] && [ -z "$$(git status --porcelain 2>/dev/null)" ]; \
	then TZ=UTC0 git log -1 --format=%cd --date=format-local:%Y-%m-%dT%H:%M:%SZ; else date -u +%Y-%m-%dT%H:%M:%SZ; fi)
STAMP   := -X $(MODULE)/internal/buildinfo.version=$(VERSION) \
	-X $(MODULE)/internal/buildinfo.commit=$(COMMIT) \
	-X $(MODULE)/internal/buildinfo.builtAt=$(BUILT)
BUILD   := CGO_ENABLED=0 $(GO) build -trimpath -buildvcs=false

# Tests that need a tool or a right that the machine lacks say so and skip;
# with BANGER_TEST_REQUIRE=1 they fail.
GOTESTSUM := $(TOOLS)/gotestsum --format pkgname --format-hide-empty-pkg

.DEFAULT_GOAL := help
.PHONY: help
help: ## Print this list
	@awk -F ':.*## ' '/^[a-z0-9_-]+:.*## / {printf "  %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: quickstart
quickstart: ## Everything from a fresh Debian 12 to a command run in a VM
	@scripts/quickstart.sh

.PHONY: build
build: ## Build banger, bangerd and banger-vsock-agent into bin/
	$(BUILD) -ldflags '$(STAMP)' -o $(BIN)/banger ./cmd/banger
	$(BUILD) -ldflags '$(STAMP)' -o $(BIN)/bangerd ./cmd/bangerd
	$(BUILD) -tags nethttpomithttp2 -ldflags '-s -w $(STAMP)' -o $(BIN)/banger-vsock-agent ./cmd/banger-vsock-agent

.PHONY: install
install: build ## Install to PREFIX (~/.local), with a systemd user unit, manual pages and completions
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/bin $(BIN)/banger $(BIN)/bangerd
	install -D -m 0755 -t $(DESTDIR)$(PREFIX)/lib/banger $(BIN)/banger-vsock-agent
	install -d $(DESTDIR)$(PREFIX)/share/systemd/user
	sed 's|@BINDIR@|$(PREFIX)/bin|' packaging/bangerd.service.in > $(DESTDIR)$(PREFIX)/share/systemd/user/bangerd.service
	install -d $(DESTDIR)$(PREFIX)/share/{bash-completion/completions,zsh/site-functions,fish/vendor_completions.d,man/man1}
	$(BIN)/banger completion bash > $(DESTDIR)$(PREFIX)/share/bash-completion/completions/banger
	$(BIN)/banger completion zsh > $(DESTDIR)$(PREFIX)/share/zsh/site-functions/_banger
	$(BIN)/banger completion fish > $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/banger.fish
	$(BIN)/banger man $(DESTDIR)$(PREFIX)/share/man/man1

.PHONY: uninstall
uninstall: ## Remove what install put there (state and VMs stay)
	rm -f $(DESTDIR)$(PREFIX)/bin/banger $(DESTDIR)$(PREFIX)/bin/bangerd \
		$(DESTDIR)$(PREFIX)/lib/banger/banger-vsock-agent \
		$(DESTDIR)$(PREFIX)/share/systemd/user/bangerd.service \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/banger \
		$(DESTDIR)$(PREFIX)/share/zsh/site-functions/_banger \
		$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/banger.fish \
		$(DESTDIR)$(PREFIX)/share/man/man1/banger.1 $(DESTDIR)$(PREFIX)/share/man/man1/banger-*.1

.PHONY: test
test: lint unit e2e ## All tests: lint, unit, contract, scripts, end to end

.PHONY: lint
lint: tools ## Lint, with the layering rules
	$(TOOLS)/layercover .
	$(TOOLS)/golangci-lint run --allow-parallel-runners ./...
	cd tools && $(GO) vet ./layercover

.PHONY: fmt
fmt: tools ## Format the Go files
	$(TOOLS)/golangci-lint fmt ./...

.PHONY: unit
unit: tools ## Unit, contract and CLI script tests (no VM image needed)
	$(GOTESTSUM) -- ./...

.PHONY: race
race: tools ## The unit tests with the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GOTESTSUM) -- -race ./...

.PHONY: e2e
e2e: tools build ## End-to-end tests: the real binaries boot real VMs
	$(GOTESTSUM) --format testname --hide-summary=output $(if $(E2E_RETRY),--rerun-fails=1 --rerun-fails-max-failures=$(E2E_RETRY)) --packages ./e2e/... \
		-- -tags e2e -count=1 -timeout 45m -parallel $(or $(E2E_PARALLEL),2) $(if $(RUN),-run '$(RUN)')

.PHONY: e2e-kvm
e2e-kvm: ## The same on KVM, in an outer VM where the host has none (SET=full|ci|SCRIPT,...)
	mkdir -p $(BIN)
	$(GO) build -o $(BIN)/e2e-kvm ./e2e/kvm
	exec $(BIN)/e2e-kvm $(if $(SET),-set '$(SET)') $(if $(DRIVERS),-drivers $(DRIVERS)) $(if $(LIMIT),-limit $(LIMIT))

.PHONY: kernel-bundle
kernel-bundle: build ## Pack the local kernel KERNEL (debian-12) and its catalog entry into dist/
	mkdir -p dist
	$(BIN)/bangerd kernel-bundle $(or $(KERNEL),debian-12) dist

.PHONY: bench
bench: build ## Benchmarks, each beside its yardstick, printed as ratios
	scripts/bench.sh

.PHONY: fuzz
fuzz: ## Each fuzz test for FUZZTIME (10s)
	scripts/fuzz.sh

.PHONY: openapi
openapi: ## Generate api/openapi.yaml from the wire types
	$(GO) test ./internal/server -run TestContractIsCurrent -update

.PHONY: config-docs
config-docs: ## Generate the tables of docs/config.md from the configuration's keys
	$(GO) test ./internal/config -run TestReferenceIsCurrent -update

.PHONY: dev-image
dev-image: ## Build the agent image (images/dev) into dist/, with docker, podman or buildah
	scripts/dev-image.sh dist/dev-image.oci.tar

.PHONY: tools
tools: $(TOOLS)/.stamp ## Build the pinned tools into bin/tools/

$(TOOLS)/.stamp: tools/go.mod tools/go.sum $(wildcard tools/layercover/*.go)
	mkdir -p $(TOOLS)
	cd tools && $(GO) build -o ../$(TOOLS)/ github.com/golangci/golangci-lint/v2/cmd/golangci-lint gotest.tools/gotestsum ./layercover
	touch $@

.PHONY: clean
clean: ## Remove bin/ and dist/
	rm -rf $(BIN) dist
