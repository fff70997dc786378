package metadata

import (
	"errors"
	"fmt"
	"strings"
)

// Segment is the registered well-known name of protected resource metadata (RFC 9728 §3).
const Segment = "oauth-protected-resource"

const (
	wellKnown = "/.well-known/"
	prefix    = wellKnown + Segment
)

// Identifier is the canonical URL of a protected resource (RFC 9728 §1.2): "https://mcp.example.com/github/mcp". The zero
// value identifies nothing.
type Identifier struct {
	Scheme string // "https" or "http"
	Host   string // lower case, with the port unless it is the scheme's own; may begin with "*." where wildcards are allowed
	Path   string // "" for an origin, else "/…" without a trailing slash
}

// IdentifierRules are the relaxations that a declaration may ask for. The zero value is the strict form.
type IdentifierRules struct {
	InsecureAllowHTTP bool // plain http for hosts that are not loopback
	AllowWildcard     bool // "*." as the first label of the host
}

// ParseIdentifier reads a declared resource. It takes the canonical spelling only; for any other it returns an error that
// names what was found and, where there is one, the right spelling.
func ParseIdentifier(s string, rules IdentifierRules) (Identifier, error) {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return Identifier{}, fmt.Errorf("%q is not an absolute URL; write it as https://host/path", s)
	}
	if low := strings.ToLower(scheme); low != scheme && (low == "http" || low == "https") {
		return Identifier{}, fmt.Errorf("the scheme %q must be lower case; write %q", scheme, low+"://"+rest)
	}
	if scheme != "https" && scheme != "http" {
		return Identifier{}, fmt.Errorf("the scheme is %q; only https (and http for loopback hosts) identifies a protected resource", scheme)
	}
	authority, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		authority, path = rest[:i], rest[i:]
	}
	host, err := declaredHost(scheme, authority, path, rules)
	if err != nil {
		return Identifier{}, err
	}
	id := Identifier{Scheme: scheme, Host: host, Path: path}
	if err := checkPath(id); err != nil {
		return Identifier{}, err
	}
	if name, _, _ := CanonicalHost(host); scheme == "http" && !IsLoopback(name) && !rules.InsecureAllowHTTP {
		return Identifier{}, fmt.Errorf("plain http is for loopback hosts only; write %q, or set insecureAllowHTTP: true", "https://"+rest)
	}
	return id, nil
}

func declaredHost(scheme, authority, path string, rules IdentifierRules) (string, error) {
	if strings.Contains(authority, "@") {
		return "", errors.New("user information does not belong in a resource; remove what stands before the @")
	}
	base, wildcard := strings.CutPrefix(authority, "*.")
	if wildcard && !rules.AllowWildcard {
		return "", fmt.Errorf("the wildcard host %q is not allowed here; declare each host", authority)
	}
	name, port, ok := CanonicalHost(base)
	if !ok {
		if trimmed := strings.TrimSuffix(base, "."); trimmed != base {
			if _, _, ok := CanonicalHost(trimmed); ok {
				return "", fmt.Errorf("the host %q ends in a dot; write %q", authority, scheme+"://"+strings.TrimSuffix(authority, ".")+path)
			}
		}
		return "", fmt.Errorf("the host %q is not a host name or address with an optional port", authority)
	}
	if wildcard && (!strings.Contains(name, ".") || name[0] == '[') {
		return "", fmt.Errorf("the wildcard host %q covers too much; at least two labels must follow the *", authority)
	}
	host := name
	if port != "" && port != DefaultPort(scheme) {
		host += ":" + port
	}
	if wildcard {
		host = "*." + host
	}
	if host != authority {
		return "", fmt.Errorf("the host %q is not in canonical form (lower case, no default port); write %q", authority, scheme+"://"+host+path)
	}
	return host, nil
}

func checkPath(id Identifier) error {
	switch path := id.Path; {
	case path == "":
		return nil
	case strings.Contains(path, "#"):
		return errors.New("a fragment does not belong in a resource; remove the # and what follows it")
	case strings.Contains(path, "?"):
		return errors.New("a query does not belong in a resource; remove the ? and what follows it")
	case strings.Contains(path, "%"):
		return fmt.Errorf("the path %q holds a percent escape; serve the resource at a path without one", path)
	case strings.HasSuffix(path, "/"):
		return fmt.Errorf("the path ends in a slash; write %q (requests with the slash are covered)", strings.TrimRight(id.String(), "/"))
	default:
		if _, ok := CanonicalPath(path); !ok {
			return fmt.Errorf("the path %q is not in canonical form: no //, dot segment, ;, \\ or byte outside visible ASCII", path)
		}
		for segment := range strings.SplitSeq(path, "/") {
			if segment == ".well-known" {
				return errors.New("a resource must not have a .well-known segment in its path")
			}
		}
	}
	return nil
}

// DefaultPort is the port that a scheme implies (RFC 9110 §4.2), or "".
func DefaultPort(scheme string) string {
	switch scheme {
	case "https":
		return "443"
	case "http":
		return "80"
	}
	return ""
}

// Origin is the scheme and host of the identifier, the form of an Origin header (RFC 6454 §6.2).
func (id Identifier) Origin() string { return id.Scheme + "://" + id.Host }

// String is the identifier as it was declared and as "resource" has it in the document.
func (id Identifier) String() string { return id.Scheme + "://" + id.Host + id.Path }

// IsOrigin reports whether the identifier has no path.
func (id Identifier) IsOrigin() bool { return id.Path == "" }

// At is the identifier on another host: what a wildcard stands for in one request.
func (id Identifier) At(host string) Identifier {
	id.Host = host
	return id
}

// URL is where the metadata document lies: the well-known segment inserted between host and path (RFC 9728 §3.1).
func (id Identifier) URL() string { return id.Origin() + prefix + id.Path }

// Place says which variant of a document a well-known path asks for.
type Place struct {
	Path     string // of the resource it speaks of; "" for the root
	Slash    bool   // dialled with one trailing slash: the document's "resource" carries it too
	Inserted bool   // the inserted form of RFC 9728 §3.1; false: the segment appended to the resource's path
}

// ParsePlace takes a canonical path apart. The first result is meaningful if document is true: the path has the form of a
// protected resource metadata URL. known is true as soon as a segment ".well-known" is followed by a name that clients use
// for discovery; such a path never reaches an upstream.
func ParsePlace(path string) (place Place, document, known bool) {
	i := strings.Index(path, wellKnown)
	if i < 0 {
		return Place{}, false, false
	}
	for j := i; j >= 0; {
		name, _, _ := strings.Cut(path[j+len(wellKnown):], "/")
		switch name {
		case Segment, "oauth-authorization-server", "openid-configuration":
			known = true
		}
		next := strings.Index(path[j+1:], wellKnown)
		if next < 0 {
			break
		}
		j += 1 + next
	}
	switch {
	case !known:
		return Place{}, false, false
	case path == prefix:
		return Place{Inserted: true}, true, true
	case strings.HasPrefix(path, prefix+"/"):
		rest := path[len(prefix):]
		if trimmed, slash := strings.CutSuffix(rest, "/"); slash {
			return Place{Path: trimmed, Slash: true, Inserted: true}, trimmed != "", true
		}
		return Place{Path: rest, Inserted: true}, true, true
	case strings.HasSuffix(path, prefix):
		return Place{Path: strings.TrimSuffix(path, prefix)}, true, true
	}
	return Place{}, false, true
}
