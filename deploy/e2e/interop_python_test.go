package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// pythonFolder is a folder of python/ with a virtual environment (Python 3.11 or newer) that has its packages. The programs are
// always those of the repository, and what they share lies beside them.
func pythonFolder(t testing.TB, name string) string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	source, folder := filepath.Join("python", name), filepath.Join(cache(t), "python-"+name)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"python/*.py", source + "/*.py"} {
		programs, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, program := range programs {
			file, wanted := filepath.Join(folder, filepath.Base(program)), read(t, program)
			if is, err := os.ReadFile(file); err != nil || string(is) != wanted { // one that starts just now may be reading it
				write(t, file, wanted)
			}
		}
	}
	wanted, marker := read(t, source+"/requirements.txt"), filepath.Join(folder, "installed.txt")
	_, broken := os.Stat(pythonIn(folder)) // it is a link to the Python that made it
	if installed, err := os.ReadFile(marker); err == nil && string(installed) == wanted && broken == nil {
		return folder
	}
	_ = os.Remove(marker)
	for _, command := range [][]string{
		{"python3", "-m", "venv", "--clear", filepath.Join(folder, "venv")},
		{pythonIn(folder), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", source + "/requirements.txt"},
	} {
		if out, err := exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s for python/%s: %v\n%s", strings.Join(command, " "), name, err, out)
		}
	}
	write(t, marker, wanted) // last: what was broken off is installed anew
	return folder
}

func pythonIn(folder string) string { return filepath.Join(folder, "venv", "bin", "python") }

// pythonProgram is the command line of a program of python/.
func pythonProgram(t testing.TB, folder, program string, args ...string) []string {
	t.Helper()
	installed := pythonFolder(t, folder)
	return append([]string{pythonIn(installed), filepath.Join(installed, program)}, args...)
}

// pythonVersion is the version of a package that a folder of python/ pins.
func pythonVersion(t testing.TB, folder, name string) string {
	t.Helper()
	pin := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `==(\S+)$`).FindStringSubmatch(read(t, filepath.Join("python", folder, "requirements.txt")))
	if pin == nil {
		t.Fatalf("python/%s pins no %s", folder, name)
	}
	return pin[1]
}

// pythonServer starts a server of python/ on uvicorn, and returns its address.
func pythonServer(t testing.TB, folder, path string, options ...string) string {
	t.Helper()
	addr := freeAddr(t)
	p := start(t, "python/"+folder+"/server.py", append(pythonProgram(t, folder, "server.py", portOf(addr), path), options...)...)
	eventually(t, p.name+" is ready", func() bool { return p.running() && strings.Contains(string(p.out.bytes()), "Uvicorn running on") })
	return addr
}

// pythonMCPServer starts a server on the Python SDK 2.x, with the tools add and echo at a path, and returns its address. It speaks
// the revisions of 2025, with sessions unless it is stateless, and that of 2026-07-28.
func pythonMCPServer(t testing.TB, stateless bool, path string) (addr string) {
	t.Helper()
	if stateless {
		return pythonServer(t, "mcp-2", path, "--stateless")
	}
	return pythonServer(t, "mcp-2", path)
}

// pythonFastMCPServer is pythonMCPServer on FastMCP, with sessions.
func pythonFastMCPServer(t testing.TB, path string) (addr string) {
	t.Helper()
	return pythonServer(t, "fastmcp", path)
}

// python1Program is a client on the Python SDK 1.x, python2Program one on 2.x as it comes, python2LegacyProgram one on 2.x that speaks
// the revisions of 2025 alone, fastMCPPythonProgram one on FastMCP.
func python1Program(t testing.TB) []string { return pythonProgram(t, "mcp-1", "client.py") }

func python2Program(t testing.TB) []string { return pythonProgram(t, "mcp-2", "client.py", "auto") }

func python2LegacyProgram(t testing.TB) []string {
	return pythonProgram(t, "mcp-2", "client.py", "legacy")
}

func fastMCPPythonProgram(t testing.TB) []string { return pythonProgram(t, "fastmcp", "client.py") }

func python1Version(t testing.TB) string { return pythonVersion(t, "mcp-1", "mcp") }

func python2Version(t testing.TB) string { return pythonVersion(t, "mcp-2", "mcp") }

func fastMCPPythonVersion(t testing.TB) string { return pythonVersion(t, "fastmcp", "fastmcp") }
