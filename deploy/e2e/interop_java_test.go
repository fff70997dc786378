package e2e

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// javaProgram is the command line of the client on the Java SDK, fetched and compiled once.
func javaProgram(t testing.TB) []string {
	t.Helper()
	installing.Lock()
	defer installing.Unlock()
	cmd := exec.Command("bash", "java/get-client", cache(t))
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("java/get-client: %v", err)
	}
	folder := strings.TrimSpace(string(out))
	return []string{"java", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx128m", "-cp", folder + "/classes:" + folder + "/lib/*", "Client"}
}

// javaVersion is the version of the SDK that java/pom.xml pins.
func javaVersion(t testing.TB) string {
	t.Helper()
	pin := regexp.MustCompile(`<artifactId>mcp</artifactId>\s*<version>([^<]+)</version>`).FindStringSubmatch(read(t, "java/pom.xml"))
	if pin == nil {
		t.Fatal("java/pom.xml pins no mcp")
	}
	return pin[1]
}
