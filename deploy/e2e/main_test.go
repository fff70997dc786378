package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait for a condition. It is not spent when things are well.
const patience = 60 * time.Second

// root is the repository, as seen from here.
const root = "../.."

// The supported ends of Envoy.
const (
	oldest = "1.36.4"
	newest = "1.40.0"
)

// bin is where TestMain builds the programs.
var bin string

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	folder, err := os.MkdirTemp("", "mcp-authz-e2e-")
	if err != nil {
		return 1, err
	}
	defer os.RemoveAll(folder)
	bin = folder
	if out, err := exec.Command("go", "build", "-C", root, "-o", folder+"/", "./cmd/...").CombinedOutput(); err != nil {
		return 1, fmt.Errorf("go build: %w\n%s", err, out)
	}
	go fork()
	code := m.Run()
	if !endParts() {
		code = 1
	}
	return code, nil
}

// starts are commands for fork to start; it answers on the channel beside them.
var starts = make(chan struct {
	cmd  *exec.Cmd
	done chan error
})

// fork starts every child, on one thread that lasts as long as the suite: Envoy ends itself when the thread that started it
// ends, not only when the process does.
func fork() {
	runtime.LockOSThread()
	for s := range starts {
		s.done <- s.cmd.Start()
	}
}

// envoyBinary is a real Envoy of a version, fetched once.
func envoyBinary(t testing.TB, version string) string {
	t.Helper()
	envoysLock.Lock()
	defer envoysLock.Unlock()
	if envoys[version] == "" {
		cmd := exec.Command("bash", filepath.Join(root, "deploy/envoy/get-envoy"), version)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("deploy/envoy/get-envoy %s: %v", version, err)
		}
		envoys[version] = strings.TrimSpace(string(out))
	}
	return envoys[version]
}

var (
	envoysLock sync.Mutex
	envoys     = map[string]string{}
)

// eventually waits for a condition.
func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	within(t, patience, what, holds)
}

// within is eventually with a patience of its own.
func within(t testing.TB, patience time.Duration, what string, holds func() bool) {
	t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-deadline.C:
			t.Fatalf("%s: not within %v", what, patience)
		case <-tick.C:
		}
	}
}
