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
	MaxResourceBytes   = 2 << 10 // its metadata URL must fit a request, and a header
	MaxScopeBytes      = 1 << 10
	MaxAudiences       = 64
	MaxOrigins         = 64
	MaxIdentityHeaders = 32
	maxTextBytes       = 1 << 10
	maxClaimBytes      = 256 // the name of a claim
)

// oddInPath is what would end, or seem to end, a value of a challenge, and what no URL holds (RFC 3986 §3.3).
const oddInPath = "\"<>[]^`{|},="

func (f *File) validateResources(p *problems) {
	servers := map[string]string{}
	for _, s := range f.AuthorizationServers {
		servers[s.Name] = ""
	}
	names, urls, anyHost := map[string]string{}, map[string]string{}, map[string]string{}
	for i := range f.Resources {
		if p.full() {
			return
		}
		r, path := &f.Resources[i], fmt.Sprintf("resources[%d]", i)
		unique(p, path+".name", r.Name, names)
		name(p, path+".name", r.Name)
		id, ok := r.validate(p, path)
		if r.InsecureAnyHost {
			unique(p, path+".insecureAnyHost", "true", anyHost)
		} else if first, taken := urls[id.Host+id.Path]; ok && taken {
			p.add(path+".resource", strconv.Quote(short(r.Resource)), "a host and path that "+first+" does not have", "change or remove one of the two; http and https do not tell them apart")
		} else if ok {
			urls[id.Host+id.Path] = path + ".resource"
		}
		r.validateServers(p, path+".authorizationServers", servers)
	}
}

// validate checks what a resource says by itself.
func (r *ProtectedResource) validate(p *problems, path string) (id metadata.Identifier, ok bool) {
	id, ok = r.validateIdentifier(p, path+".resource")
	r.Scopes.validate(p, path+".scopes")
	r.validateLists(p, path)
	r.validateHeaders(p, path+".identityHeaders")
	if r.ResourceDocumentation != "" && !p.has(path+".resourceDocumentation") {
		if u, err := url.Parse(r.ResourceDocumentation); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			p.add(path+".resourceDocumentation", strconv.Quote(short(r.ResourceDocumentation)), "an absolute http or https URL", "")
		}
	}
	for _, text := range []struct{ key, value string }{{"resourceName", r.ResourceName}, {"resourceDocumentation", r.ResourceDocumentation}} {
		if len(text.value) > maxTextBytes {
			p.add(path+"."+text.key, fmt.Sprintf("%d bytes", len(text.value)), fmt.Sprintf("at most %d", maxTextBytes), "")
		}
	}
	return id, ok
}

func (r *ProtectedResource) validateIdentifier(p *problems, path string) (metadata.Identifier, bool) {
	if !required(p, path, r.Resource, "the URL of the resource") {
		return metadata.Identifier{}, false
	}
	id, err := metadata.ParseIdentifier(r.Resource, r.rules())
	if err != nil {
		p.add(path, strconv.Quote(short(r.Resource)), "the canonical URL of a protected resource", cut(err.Error(), maxReason))
		return id, false
	}
	if len(r.Resource) > MaxResourceBytes {
		p.add(path, fmt.Sprintf("%d bytes", len(r.Resource)), fmt.Sprintf("at most %d", MaxResourceBytes), "")
		return id, false
	}
	if i := strings.IndexAny(id.Path, oddInPath); i >= 0 {
		p.add(path, strconv.Quote(short(r.Resource)), "a path without "+strconv.Quote(id.Path[i:i+1]), "clients are told the URL in a header that home-made parsers read; serve the resource at another path")
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
		if _, declared := servers[s]; servers != nil && !declared && !p.has(at) && !p.broken["authorizationServers"] {
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
			p.add(at, strconv.Quote(short(scope)), "one scope: visible ASCII without quote, backslash, comma or = (RFC 6749 §3.3)", "")
		}
	}
	seen := map[string]string{}
	for i, scope := range s.Required {
		at := fmt.Sprintf("%s.required[%d]", path, i)
		check(at, scope)
		unique(p, at, scope, seen)
	}
	for _, broad := range sortedKeys(s.Implies) {
		at := keyPath(path+".implies", broad)
		check(at, broad)
		for i, narrow := range s.Implies[broad] {
			at := fmt.Sprintf("%s[%d]", at, i)
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
	for _, header := range sortedKeys(r.IdentityHeaders) {
		at := keyPath(path, header)
		if claim := r.IdentityHeaders[header]; len(claim) > maxClaimBytes {
			p.add(at, fmt.Sprintf("%d bytes", len(claim)), fmt.Sprintf("at most %d", maxClaimBytes), "")
		} else {
			required(p, at, claim, "the name of a claim")
		}
		switch {
		case !strings.HasPrefix(header, "x-") || strings.Trim(header, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || len(header) < 3 || len(header) > 64:
			p.add(at, strconv.Quote(short(header)), "a lower-case header name of letters, digits and '-' that begins with x-", "")
		case reserved(header):
			p.add(at, strconv.Quote(header), "a name that nobody else uses", "mcp-authz or the gateway sets or reads this one; choose another")
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
