package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for a release.
var version = "" //nolint:gochecknoglobals // the linker's only way in

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			v, revision, goVersion := buildVersion()
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "mcp-authz %s (revision %s, %s)\n", v, revision, goVersion)
			return err
		},
	}
}

// buildVersion is the version of the binary, the revision it was built from and the Go that built it.
func buildVersion() (v, revision, goVersion string) {
	v, revision, goVersion = version, "unknown", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v, revision, goVersion
	}
	if v == "" {
		v = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = s.Value
		}
	}
	return v, revision, info.GoVersion
}
