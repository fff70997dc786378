package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

func checkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check FILE",
		Short: "Check a configuration file and list everything that is wrong with it",
		Long:  "Check reads a configuration file as serve would, without connecting to anything, and lists every problem at once:\nits key, what was found, what was expected and the next step. It exits with 1 if serve would refuse the file.",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := readFile(args[0])
			if err != nil {
				return err
			}
			f, problems := loadConfig(file)
			for _, p := range problems {
				fmt.Fprintln(cmd.ErrOrStderr(), p)
			}
			if f == nil {
				return problemCount(problems, args[0])
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "ok: %d resources, %d authorization servers\n", len(f.Resources), len(f.AuthorizationServers))
			return err
		},
	}
}

// loadConfig is spec.Load plus what only the parts themselves can tell of their settings.
func loadConfig(data []byte) (*spec.File, []spec.Problem) {
	f, problems := spec.Load(data)
	if f == nil {
		return nil, problems
	}
	bad := false
	for i := range f.AuthorizationServers {
		err := checkServer(&f.AuthorizationServers[i])
		if err == nil {
			continue
		}
		problems = append(problems, spec.Problem{
			Path: fmt.Sprintf("authorizationServers[%d].jwks", i), Found: "a key set of no use (" + err.Error() + ")",
			Expected: "a JWK set with a public signature key (RFC 7517)",
		})
		bad = true
	}
	if bad {
		return nil, problems
	}
	return f, problems
}

// checkServer asks the verifier what only it can tell of a declaration.
func checkServer(s *spec.AuthorizationServer) error {
	issuer, err := newIssuer(s, share{1, 1}, nil)
	if err != nil {
		return err
	}
	ended, end := context.WithCancel(context.Background())
	end()
	issuer.Run(ended) // at once: ends what its cache started
	return nil
}

func problemCount(problems []spec.Problem, name string) error {
	n := 0
	for _, p := range problems {
		if !p.Warning {
			n++
		}
	}
	if n == 1 {
		return fmt.Errorf("%s: 1 problem; nothing was applied", name)
	}
	return fmt.Errorf("%s: %d problems; nothing was applied", name, n)
}

// readFile reads a configuration file, and no more of it than a configuration file can have.
func readFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, spec.MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("the configuration cannot be read: %w", err)
	}
	if len(data) > spec.MaxFileBytes {
		return nil, errors.New("the configuration is larger than 16 MiB")
	}
	return data, nil
}
