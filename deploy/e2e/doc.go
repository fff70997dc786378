// Package e2e runs mcp-authz behind a real Envoy, in front of real MCP servers, with clients that nobody here wrote. It is a
// module of its own, because it needs more than Go: pip, npm and Maven, which fetch the parts once into the user's cache, and for
// the image, and where Java or Chromium is missing, apt-get and root. `make e2e` runs it.
package e2e
