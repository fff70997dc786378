package authz

import "github.com/mcp-authz/mcp-authz/metadata"

// target is where a request goes, in canonical form.
type target struct {
	name string // host without port, lower case
	port string // "" if none was sent
	path string
}

// authority is the host as sent, lower-cased.
func (t target) authority() string {
	if t.port == "" {
		return t.name
	}
	return t.name + ":" + t.port
}

// canonicalize is step 1: a host and a path that can be read in one way only, or nothing. CONNECT and "OPTIONS *" have no
// path and fall here. A field that says something else than the authority, or than the path, is refused: the two could be routed
// apart.
func canonicalize(r *Request) (target, bool) {
	if r.Method == "CONNECT" || r.Method == "" {
		return target{}, false
	}
	for i := range r.Headers {
		switch r.Headers[i].Name {
		case "host", ":authority":
			if r.Headers[i].Value != r.Host {
				return target{}, false
			}
		case ":path": // Envoy writes "!" into the path for a byte that is not UTF-8, and routes by the byte
			if r.Headers[i].Value != r.Path {
				return target{}, false
			}
		}
	}
	return canonicalTarget(r.Host, r.Path)
}

func canonicalTarget(host, path string) (t target, ok bool) {
	if t.name, t.port, ok = metadata.CanonicalHost(host); !ok {
		return target{}, false
	}
	if t.path, ok = metadata.CanonicalPath(path); !ok {
		return target{}, false
	}
	return t, true
}
