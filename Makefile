# Everything here works on a fresh clone with Go alone, but for demo and e2e, which fetch the real parts they need.
GOTESTFLAGS ?=
# The race detector needs a C compiler; without one the tests run all the same.
RACE        ?= $(if $(shell command -v $$(go env CC)),-race)
BENCHFLAGS  ?= -benchtime=2s -count=6

.PHONY: help build test mutants e2e interop e2e-kubernetes demo bench fuzz lint generate chart gateways

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

build: ## the binaries, into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o bin/ ./cmd/...

test: ## what needs Go alone
	go vet ./...
	go test $(RACE) $(GOTESTFLAGS) $$(go list ./... | grep -v /v1alpha1$$)
	go test $(GOTESTFLAGS) ./authz/kube/v1alpha1 # schemas: nothing at once in them, and the race detector would compile Kubernetes anew

mutants: ## takes every check of authz, authz/token and authz/kube away in turn: a test must turn red
	go vet ./.ci/mutants
	go test $(GOTESTFLAGS) ./.ci/mutants
	go run ./.ci/mutants

e2e: ## real Envoy, real upstreams, real clients, the real image
	cd deploy/e2e && for module in . go go/go-sdk go/mcp-go zitadel; do go vet -C $$module ./... || exit 1; done
	cd deploy/e2e && go test -count=1 -timeout 60m -parallel 4 $(GOTESTFLAGS) ./... # the programs it builds are no input that go test knows of

interop: ## every client, authorization server and MCP server of the matrix; writes docs/interop.md
	cd deploy/e2e && go test -count=1 -timeout 180m -parallel 4 $(GOTESTFLAGS) -run '^TestInterop$$' . -args -interop

e2e-kubernetes: ## the chart in a cluster of this machine (or that of KUBECONFIG and REGISTRY): real gateways, app teams, a client that logs in
	cd deploy/e2e && go vet -tags kubernetes ./kubernetes/...
	cd deploy/e2e/kubernetes && if [ -z "$$KUBECONFIG" ]; then ./cluster build >/dev/null; fi && ./envoy-gateway build && ./istio build && ./contour build
	cd deploy/e2e && go test -tags kubernetes -count=1 -timeout 30m $(GOTESTFLAGS) ./kubernetes/...; code=$$?; [ -n "$$KUBECONFIG" ] || kubernetes/cluster down; exit $$code

demo: ## an unmodified MCP server behind Envoy and mcp-authz; DEMO_ONCE=1 tries it and ends
	@go run ./deploy/demo

bench: ## the whole check beside an always-allow server, and the decision alone
	go test -run '^$$' -bench . -benchmem $(BENCHFLAGS) ./authz/...

FUZZTIME ?= 20s
fuzz: ## every fuzz target for FUZZTIME
	@set -e; for pkg in $$(go list ./...); do \
	  for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
	    echo "$$pkg $$f"; go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) $$pkg; \
	  done; \
	done

lint: ## golangci-lint, with the import rules
	go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./... ./.ci/...
	cd deploy/e2e && go run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0 run ./...

generate: ## the schemas of the cluster's kinds, and their copying
	go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0 object paths=./authz/spec paths=./authz/kube/v1alpha1
	go run sigs.k8s.io/controller-tools/cmd/controller-gen@v0.23.0 crd paths=./authz/kube/v1alpha1 output:crd:dir=charts/mcp-authz/files/crds

chart: ## the Helm chart: rendered, refused, installed on a real API server
	cd charts/test && go vet ./...
	cd charts/test && go test -count=1 -timeout 30m $(GOTESTFLAGS) ./... # the chart is no input that go test knows of

gateways: ## the files for gateways: schemas, guards, what Envoy Gateway's and Istio's own control planes make of them
	cd deploy/gateways && go vet ./...
	cd deploy/gateways && go test -count=1 -timeout 30m $(GOTESTFLAGS) ./... # the files are no input that go test knows of
	cd deploy/gateways/istio && CGO_ENABLED=0 go test -trimpath -count=1 -timeout 30m $(GOTESTFLAGS) ./... # compiled as istiod is, which e2e-kubernetes needs too
