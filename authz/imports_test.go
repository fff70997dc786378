package authz_test

import (
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
)

const (
	module   = "github.com/mcp-authz/mcp-authz"
	otelgrpc = "go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
)

// TestImportDirection keeps the rooms apart for good: cmd → adapters → authz → metadata → standard library. A heavy
// dependency has one room, and adapters never meet.
func TestImportDirection(t *testing.T) {
	imports := packages(t)
	adapters := []string{"authz/extauthz", "authz/token", "authz/spec", "authz/kube"}
	owners := map[string][]string{ // module prefix → the only rooms that may name it
		"google.golang.org/grpc":             {"authz/extauthz", "authz/authztest"},
		"google.golang.org/protobuf":         {"authz/extauthz", "authz/authztest"},
		"google.golang.org/genproto":         {"authz/extauthz", "authz/authztest"},
		"github.com/envoyproxy/":             {"authz/extauthz", "authz/authztest"},
		"github.com/MicahParks/":             {"authz/token"},
		"github.com/golang-jwt/":             {"authz/token"},
		"github.com/maypok86/otter":          {"authz/token"},
		"go.yaml.in/":                        {"authz/spec"},
		"github.com/spf13/":                  {"cmd/mcp-authz"},
		"github.com/prometheus/":             {"cmd/mcp-authz"},
		"github.com/fsnotify/":               {"cmd/mcp-authz"},
		"github.com/go-logr/":                {"cmd/mcp-authz", "authz/kube"},
		"k8s.io/":                            {"authz/kube", "authz/kube/v1alpha1"},
		"sigs.k8s.io/":                       {},
		"go.opentelemetry.io/":               {"authz/extauthz", "cmd/mcp-authz"},
		otelgrpc:                             {"authz/extauthz"},
		"go.opentelemetry.io/otel/sdk":       {"cmd/mcp-authz"},
		"go.opentelemetry.io/otel/exporters": {"cmd/mcp-authz"},
		"go.opentelemetry.io/proto/":         {},
		"github.com/go-json-experiment/json": {"authz", "authz/token"},
		module + "/authz/authztest":          {"cmd/dev-issuer"},
		"github.com/google/go-cmp":           {},
		"golang.org/x/tools":                 {},
		"github.com/modelcontextprotocol/":   {},
	}
	seen := map[string]bool{}
	for pkg, deps := range imports {
		for _, dep := range deps {
			for prefix, rooms := range owners {
				if strings.HasPrefix(dep, prefix) && !slices.Contains(rooms, pkg) {
					t.Errorf("%s imports %s, which belongs to %v", pkg, dep, rooms)
				}
			}
			inner, ours := strings.CutPrefix(dep, module+"/")
			if ours {
				seen[inner] = true
			}
			switch {
			case pkg == "metadata" && (ours || isThirdParty(dep)):
				t.Errorf("metadata imports %s; it stands on the standard library alone", dep)
			case pkg == "authz" && ours && inner != "metadata":
				t.Errorf("authz imports %s; it knows metadata alone", dep)
			case pkg == "authz/kube" && inner == "authz/spec", pkg == "authz/kube/v1alpha1" && inner == "authz/spec":
				// what the cluster declares is what the file declares
			case slices.Contains(adapters, pkg) && slices.Contains(adapters, inner):
				t.Errorf("%s imports %s; adapters never meet", pkg, dep)
			case ours && strings.HasPrefix(inner, "cmd/"):
				t.Errorf("%s imports the command %s", pkg, dep)
			}
		}
	}
	for _, want := range append(adapters, "metadata", "authz") {
		if !seen[want] {
			t.Errorf("nothing imports %s: the list of rooms is out of date, or the room is unused", want)
		}
	}
}

func isThirdParty(dep string) bool { return strings.Contains(strings.SplitN(dep, "/", 2)[0], ".") }

// packages lists the direct imports of every package of the module, without those of its tests.
func packages(t *testing.T) map[string][]string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Imports " "}}`, module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	imports := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		imports[strings.TrimPrefix(path.Clean(fields[0]), module+"/")] = fields[1:]
	}
	return imports
}
