// Package test holds the tests of the Helm chart in charts/mcp-authz. It is a module of its own, since it builds Helm and other tools
// of Kubernetes, once, and starts an API server.
//
// What the chart renders is compared with the files below testdata/golden ("go test -run Golden -update" writes them anew, and the
// difference is reviewed), put to Kubernetes' own schemas, and given to a real API server that enforces the level "restricted".
package test
