// Command mcp-authz is the authorization front of MCP servers: an ext_authz server for Envoy and everything built on it,
// with a listener for the metadata of protected resources.
package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func main() {
	if err := newCommand().Execute(); err != nil {
		if !errors.Is(err, errLogged) {
			fmt.Fprintln(os.Stderr, "mcp-authz:", err)
		}
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "mcp-authz",
		Short:         "OAuth 2.1 in front of MCP servers, for Envoy, Istio and the Gateway API",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(serveCommand(), checkCommand(), versionCommand())
	return root
}
