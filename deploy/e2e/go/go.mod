module github.com/mcp-authz/mcp-authz/deploy/e2e/go

go 1.26.0
