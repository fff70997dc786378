package authz

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// IdentityHeader is a request header for the upstream and the claim that it carries.
type IdentityHeader struct{ Name, Claim string }

// Names of the identity headers that go up by default.
const (
	HeaderSubject  = "x-mcp-subject"   // "sub"
	HeaderClientID = "x-mcp-client-id" // "client_id", else "azp"
	HeaderScopes   = "x-mcp-scopes"    // granted, space separated, as in the token
	HeaderIssuer   = "x-mcp-issuer"    // "iss"
)

// Upstream says what an allowed request looks like to the protected server.
type Upstream struct {
	Set         []Header // overwrites what the client sent
	Remove      []string
	RemoveQuery []string // query parameters, by exact name
}

// overrides are request headers by which some frameworks take another method or URL than the one that was judged.
func overrides() []string {
	return []string{"x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url"}
}

// assertedHeaders are the headers that a client must not send to this resource: folded for comparison, and those to remove
// from every request.
func assertedHeaders(p *ProtectedResource) (folded map[string]struct{}, remove []string) {
	folded = map[string]struct{}{}
	for _, name := range []string{HeaderSubject, HeaderClientID, HeaderScopes, HeaderIssuer} {
		folded[fold(name)] = struct{}{}
	}
	for _, h := range p.IdentityHeaders {
		folded[fold(h.Name)] = struct{}{}
	}
	for _, name := range overrides() {
		folded[fold(name)] = struct{}{}
		remove = append(remove, name)
	}
	if !p.ForwardToken {
		remove = append(remove, "authorization")
	}
	return folded, remove
}

// fold maps the spellings of a header name that some servers treat as one to one spelling.
func fold(name string) string {
	if strings.IndexByte(name, '_') < 0 && strings.IndexByte(name, '.') < 0 {
		return name
	}
	return strings.Map(func(r rune) rune {
		if r == '_' || r == '.' {
			return '-'
		}
		return r
	}, name)
}

// upstream is step 9: the identity that we assert, and nothing that the client asserted of itself. No name is both set and
// removed (Envoy removes last).
func (m match) upstream(r *Request, c Claims) Upstream {
	up := Upstream{Set: make([]Header, 0, 4+len(m.IdentityHeaders)), Remove: m.remove[:len(m.remove):len(m.remove)]}
	if m.ForwardToken && len(c.Audience) > 1 { // a token for several audiences could be replayed at the others
		up.Remove = append(up.Remove, "authorization")
	}
	set := func(name, value string, ok bool) {
		if ok {
			up.Set = append(up.Set, Header{Name: name, Value: value})
		} else {
			up.Remove = append(up.Remove, name)
		}
	}
	set(HeaderSubject, encodeHeader(c.Subject, false), c.Subject != "")
	set(HeaderClientID, encodeHeader(c.ClientID, false), c.ClientID != "")
	set(HeaderIssuer, encodeHeader(c.Issuer, false), c.Issuer != "")
	set(HeaderScopes, encodeScopes(c.Scopes), len(c.Scopes) > 0)
	for _, h := range m.IdentityHeaders {
		value, ok := c.header(h.Claim)
		set(h.Name, value, ok)
	}
	for i := range r.Headers {
		name := r.Headers[i].Name
		if len(name) < 2 || name[0] != 'x' || fold(name[:2]) != "x-" {
			continue
		}
		if folded := fold(name); folded != name {
			if _, ours := m.asserted[folded]; ours {
				up.Remove = append(up.Remove, name)
			}
		}
	}
	if hasQueryToken(r.Path) {
		up.RemoveQuery = []string{queryToken}
	}
	return up
}

func encodeScopes(scopes []string) string {
	if len(scopes) == 1 {
		return encodeHeader(scopes[0], true)
	}
	encoded := make([]string, len(scopes))
	for i, s := range scopes {
		encoded[i] = encodeHeader(s, true)
	}
	return strings.Join(encoded, " ")
}

// encodeHeader makes any string a header value that decodes to the same string: visible ASCII and inner blanks go as they
// are; "%", outer blanks (all blanks, if blanks separate) and every other byte are percent-encoded.
func encodeHeader(s string, blanksSeparate bool) string {
	first, last := 0, len(s)
	if !blanksSeparate {
		first = len(s) - len(strings.TrimLeft(s, " "))
		last = len(strings.TrimRight(s, " "))
	}
	plain := func(i int) bool {
		switch c := s[i]; c {
		case ' ':
			return !blanksSeparate && first < i && i < last
		case '%':
			return false
		default:
			return 0x21 <= c && c <= 0x7e
		}
	}
	odd := 0
	for i := range len(s) {
		if !plain(i) {
			odd++
		}
	}
	if odd == 0 {
		return s
	}
	const hex = "0123456789ABCDEF"
	b := make([]byte, 0, len(s)+2*odd)
	for i := range len(s) {
		if plain(i) {
			b = append(b, s[i])
		} else {
			b = append(b, '%', hex[s[i]>>4], hex[s[i]&15])
		}
	}
	return string(b)
}

// header is a claim as the value of an identity header: a string as it is, a list or object as JSON, a number or boolean as
// JSON writes it. It reports false for a claim that is missing or null.
func (c Claims) header(claim string) (value string, ok bool) {
	raw := c.lookup(claim)
	switch raw.Kind() {
	case '"':
		var s string
		if json.Unmarshal(raw, &s) != nil {
			return "", false
		}
		return encodeHeader(s, false), s != "" // empty, it would not stand in the way of the client's own
	case '{', '[':
		compact := raw.Clone()
		if compact.Compact() != nil {
			return "", false
		}
		return encodeHeader(string(compact), false), true
	case '0', 't', 'f':
		return string(raw), true
	default:
		return "", false
	}
}

// lookup returns a top-level claim as JSON, nil if there is none.
func (c Claims) lookup(claim string) jsontext.Value {
	dec := jsontext.NewDecoder(bytes.NewBuffer(c.Payload))
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return nil
	}
	for dec.PeekKind() == '"' {
		name, err := dec.ReadToken()
		if err != nil {
			return nil
		}
		if name.String() == claim {
			value, err := dec.ReadValue()
			if err != nil {
				return nil
			}
			return value
		}
		if dec.SkipValue() != nil {
			return nil
		}
	}
	return nil
}
