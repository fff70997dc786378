module github.com/mcp-authz/mcp-authz/charts/test

go 1.26.0

replace github.com/mcp-authz/mcp-authz => ../..

require (
	github.com/google/go-cmp v0.7.0
	github.com/mcp-authz/mcp-authz v0.0.0-00010101000000-000000000000
	sigs.k8s.io/yaml v1.6.0
)

require (
	github.com/go-json-experiment/json v1.27.2 // indirect
	go.yaml.in/yaml/v2 v2.4.4 // indirect
	go.yaml.in/yaml/v4 v4.0.0 // indirect
)
