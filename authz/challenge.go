package authz

import (
	"strings"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// challenge renders the one WWW-Authenticate line of a refusal (RFC 6750 §3, RFC 9728 §5.1): resource_metadata first, then
// error, scope and error_description as far as the reason has them; every value quoted, none empty. Five home-made parsers
// read it, so no value holds a comma, quote, "=" or backslash, and the same situation gives the same bytes.
func challenge(reason Reason, id metadata.Identifier, scope string) string {
	r := reason.row()
	if !r.bearer {
		return ""
	}
	var b strings.Builder
	b.Grow(160)
	b.WriteString(`Bearer resource_metadata="`)
	b.WriteString(id.URL())
	b.WriteByte('"')
	param := func(name, value string) {
		if value != "" {
			b.WriteString(`, ` + name + `="` + value + `"`)
		}
	}
	param("error", r.oauth)
	if r.scope {
		param("scope", scope)
	}
	if r.oauth != "" {
		_, description, _ := strings.Cut(r.message, ": ")
		param("error_description", description)
	}
	return b.String()
}
