//go:build tools

// Package unittest pins helm-unittest, which runs the suites of charts/mcp-authz/tests.
package unittest

import _ "github.com/helm-unittest/helm-unittest/cmd/helm-unittest"
