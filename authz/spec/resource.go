package spec

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/mcp-authz/mcp-authz/metadata"
)

// Limits on one resource.
const (
	MaxScopeBytes      = 1 << 10
	MaxAudiences       = 64
	MaxOrigins         = 64
	MaxIdentityHeaders = 32
	maxTextBytes       = 1 << 10
)

func (f *File) validateResources(p *problems) {
	servers := map[string]string{}
	for _, s := range f.AuthorizationServers {
		servers[s.Name] = ""
	}
	names, urls, anyHost := map[string]string{}, map[string]string{}, map[string]string{}
	for i := range f.Resources {
		r, path := &f.Resources[i], fmt.Sprintf("resources[%d]", i)
		unique(p, path+".name", r.Name, names)
		name(p, path+".name", r.Name)
		id, ok := r.validateIdentifier(p, path+".resource")
		if r.InsecureAnyHost {
			unique(p, path+".insecureAnyHost", "true", anyHost)
		} else if ok { // scheme does not tell two resources apart
			unique(p, path+".resource", id.Host+id.Path, urls)
		}
		r.validateServers(p, path+".authorizationServers", servers)
		r.Scopes.validate(p, path+".scopes")
		r.validateLists(p, path)
		r.validateHeaders(p, path+".identityHeaders")
		if r.ResourceDocumentation != "" && !p.has(path+".resourceDocumentation") {
			if u, err := url.Parse(r.ResourceDocumentation); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
				p.add(path+".resourceDocumentation", strconv.Quote(short(r.ResourceDocumentation)), "an absolute http or https URL", "")
			}
		}
		if len(r.ResourceName) > maxTextBytes || len(r.ResourceDocumentation) > maxTextBytes {
			p.add(path, "a name or documentation URL over 1 KiB", "a shorter one", "")
		}
	}
}

func (r *ProtectedResource) validateIdentifier(p *problems, path string) (metadata.Identifier, bool) {
	if !required(p, path, r.Resource, "the URL of the resource") {
		return metadata.Identifier{}, false
	}
	id, err := metadata.ParseIdentifier(r.Resource, r.rules())
	if err != nil {
		p.add(path, strconv.Quote(short(r.Resource)), "the canonical URL of a protected resource", err.Error())
		return id, false
	}
	if strings.HasSuffix(id.Path, "/sse") {
		parent := id
		parent.Path = strings.TrimSuffix(id.Path, "/sse")
		p.warn(path, "a path that ends in /sse", "the parent of all its paths", fmt.Sprintf("the older SSE transport posts messages beside it; declare the common parent %q", parent))
	}
	return id, true
}

func (r *ProtectedResource) validateServers(p *problems, path string, servers map[string]string) {
	if len(r.AuthorizationServers) == 0 && !p.has(path) {
		p.add(path, "nothing", "at least one name of authorizationServers", "without one, nobody could log in")
	}
	seen := map[string]string{}
	for i, s := range r.AuthorizationServers {
		at := fmt.Sprintf("%s[%d]", path, i)
		if _, declared := servers[s]; !declared && !p.has(at) {
			p.add(at, strconv.Quote(short(s)), "the name of an entry of authorizationServers", suggest(s, sortedKeys(servers)))
		}
		unique(p, at, s, seen)
	}
}

func (s *Scopes) validate(p *problems, path string) {
	total := 0
	check := func(at, scope string) {
		total += len(scope) + 1
		switch {
		case p.has(at):
		case scope == "offline_access":
			p.add(at, `"offline_access"`, "a scope of this resource", "refresh tokens are between client and authorization server; remove it")
		case !validScope(scope):
			p.add(at, strconv.Quote(short(scope)), "one scope: visible ASCII without blank, quote or backslash (RFC 6749 §3.3)", "")
		}
	}
	seen := map[string]string{}
	for i, scope := range s.Required {
		at := fmt.Sprintf("%s.required[%d]", path, i)
		check(at, scope)
		unique(p, at, scope, seen)
	}
	for _, broad := range sortedKeys(s.Implies) {
		check(path+".implies."+broad, broad)
		for i, narrow := range s.Implies[broad] {
			at := fmt.Sprintf("%s.implies.%s[%d]", path, broad, i)
			check(at, narrow)
			if narrow == broad && !p.has(at) {
				p.add(at, "the scope itself", "a narrower scope", "remove it")
			}
		}
	}
	if total > MaxScopeBytes {
		p.add(path, fmt.Sprintf("%d bytes of scopes", total), fmt.Sprintf("at most %d", MaxScopeBytes), "clients are told all of them in one header")
	}
}

// validScope implements scope-token of RFC 6749 §3.3, without "=" and ",": home-made parsers of challenges stumble over them.
func validScope(s string) bool {
	return s != "" && visibleASCII(s) && !strings.ContainsAny(s, `"\,=`)
}

func (r *ProtectedResource) validateLists(p *problems, path string) {
	if len(r.Audiences) > MaxAudiences {
		p.add(path+".audiences", fmt.Sprintf("%d entries", len(r.Audiences)), fmt.Sprintf("at most %d", MaxAudiences), "")
	}
	for i, a := range r.Audiences {
		required(p, fmt.Sprintf("%s.audiences[%d]", path, i), a, "an audience")
	}
	if len(r.AllowedOrigins) > MaxOrigins {
		p.add(path+".allowedOrigins", fmt.Sprintf("%d entries", len(r.AllowedOrigins)), fmt.Sprintf("at most %d", MaxOrigins), "")
	}
	for i, o := range r.AllowedOrigins {
		at := fmt.Sprintf("%s.allowedOrigins[%d]", path, i)
		if o == "*" || o == "null" {
			p.add(at, strconv.Quote(o), "the origins of pages, one by one", "any page could use a user's browser to reach the resource; list the origins")
			continue
		}
		if id, err := metadata.ParseIdentifier(o, metadata.IdentifierRules{InsecureAllowHTTP: true}); (err != nil || !id.IsOrigin()) && !p.has(at) {
			p.add(at, strconv.Quote(short(o)), "an origin as browsers send it: scheme://host[:port], lower case, no default port, no path", "")
		}
	}
}

func (r *ProtectedResource) validateHeaders(p *problems, path string) {
	if len(r.IdentityHeaders) > MaxIdentityHeaders {
		p.add(path, fmt.Sprintf("%d entries", len(r.IdentityHeaders)), fmt.Sprintf("at most %d", MaxIdentityHeaders), "")
	}
	seen := map[string]string{}
	for _, header := range sortedKeys(r.IdentityHeaders) {
		at := path + "." + header
		if strings.ContainsAny(header, ".[ ") {
			at = fmt.Sprintf("%s[%q]", path, short(header))
		}
		required(p, at, r.IdentityHeaders[header], "the name of a claim")
		switch {
		case !strings.HasPrefix(header, "x-") || strings.Trim(header, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(header) < 3 || len(header) > 64:
			p.add(at, strconv.Quote(short(header)), "a lower-case header name of letters, digits and '-' that begins with x-", "")
		case reserved(header):
			p.add(at, strconv.Quote(header), "a name that nobody else uses", "mcp-authz or the gateway sets or reads this one; choose another")
		default:
			unique(p, at, header, seen)
		}
	}
}

func reserved(header string) bool {
	for _, prefix := range []string{"x-envoy-", "x-forwarded-", "x-b3-", "x-ot-", "x-amzn-", "x-cloud-", "x-datadog-"} {
		if strings.HasPrefix(header, prefix) {
			return true
		}
	}
	switch header {
	case "x-request-id", "x-real-ip", "x-client-trace-id", "x-original-url", "x-original-host", "x-rewrite-url",
		"x-http-method-override", "x-http-method", "x-method-override",
		"x-mcp-subject", "x-mcp-client-id", "x-mcp-scopes", "x-mcp-issuer":
		return true
	}
	return false
}
