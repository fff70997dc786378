package e2e

import "testing"

// The clients of the matrix that are programs of Node.js. Each takes the line protocol of node/commands.mjs.

func tsV1Program(t testing.TB) []string { return nodeProgram(t, "typescript-sdk-v1") }

func tsV1Version(t testing.TB) string {
	return nodeVersion(t, "typescript-sdk-v1", "@modelcontextprotocol/sdk")
}

// tsV2Program is the SDK as it comes: it speaks the protocol's older era.
func tsV2Program(t testing.TB) []string { return nodeProgram(t, "typescript-sdk-v2", "legacy") }

// tsV2AutoProgram tries the newer era first.
func tsV2AutoProgram(t testing.TB) []string { return nodeProgram(t, "typescript-sdk-v2", "auto") }

func tsV2Version(t testing.TB) string {
	return nodeVersion(t, "typescript-sdk-v2", "@modelcontextprotocol/client")
}

func mcpRemoteProgram(t testing.TB) []string { return nodeProgram(t, "mcp-remote") }

func mcpRemoteVersion(t testing.TB) string { return nodeVersion(t, "mcp-remote", "mcp-remote") }

// inspectorProgram needs no newer Node.js than the others: it runs the Inspector with one that its folder has.
func inspectorProgram(t testing.TB) []string { return nodeProgram(t, "inspector") }

func inspectorVersion(t testing.TB) string {
	return nodeVersion(t, "inspector", "@modelcontextprotocol/inspector")
}

func nodeProgram(t testing.TB, folder string, args ...string) []string {
	t.Helper()
	return append([]string{"node", nodeFolder(t, folder) + "/program.mjs"}, args...)
}
