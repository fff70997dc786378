package token

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/mcp-authz/mcp-authz/authz"
)

// compact is a token in JWS compact serialization (RFC 7515 §7.1) taken apart. Nothing of it is verified.
type compact struct {
	signed    string // what the signature covers: the exact bytes received
	signature []byte

	typ, alg, kid string
	hasKID, crit  bool

	iss           string
	exp, nbf, iat *float64 // seconds since 1970 (RFC 7519 §2, NumericDate)
	aud           []string
	noAudience    bool // there is no "aud" at all, as opposed to one that names nobody
	bound         bool // "cnf" (RFC 7800)
	use           string
	payloadType   string // the "typ" claim of Keycloak
	idToken       bool   // has a claim that only ID tokens, or logout tokens, have
	azp           string // counts where there is no "client_id"
	hasScope      bool   // "scope", or the declared claim
	scp           []string
	scpFaulty     bool // "scp" counts where there is no "scope"
	faulty        bool // a claim that counts has the wrong type
	claims        authz.Claims
}

// decodePart refuses what two decoders could read in two ways: padding, other alphabets, line breaks, stray bits.
func decodePart(s string) ([]byte, bool) {
	if s == "" || strings.ContainsAny(s, "\r\n") { // the decoder would skip them
		return nil, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return b, err == nil
}

// parse reads the form of a token: three non-empty parts, two of them JSON objects in UTF-8 without duplicate members. It
// does not judge any value.
func parse(token, scopeClaim string) (*compact, bool) {
	header, rest, ok := strings.Cut(token, ".")
	payload, signature, ok2 := strings.Cut(rest, ".")
	if !ok || !ok2 || strings.Contains(signature, ".") {
		return nil, false
	}
	c := &compact{signed: token[:len(header)+1+len(payload)]}
	rawHeader, ok := decodePart(header)
	if !ok {
		return nil, false
	}
	rawPayload, ok := decodePart(payload)
	if !ok {
		return nil, false
	}
	if c.signature, ok = decodePart(signature); !ok {
		// An empty signature is well formed for "alg": "none" and is refused for its algorithm.
		if signature != "" {
			return nil, false
		}
	}
	if !members(rawHeader, c.headerMember) || !members(rawPayload, func(name string, value jsontext.Value) bool {
		c.claim(name, value, scopeClaim)
		return true
	}) {
		return nil, false
	}
	c.claims.Payload = rawPayload
	c.settle()
	return c, true
}

// settle chooses among claims that say the same, once all are read: their order in the token must not matter.
func (c *compact) settle() {
	c.noAudience = c.aud == nil
	if c.claims.ClientID == "" {
		c.claims.ClientID = c.azp
	}
	if !c.hasScope {
		c.claims.Scopes, c.faulty = c.scp, c.faulty || c.scpFaulty
	}
}

// members calls f for each member of a JSON object and reports whether it is one, whole, strict, and f never said no.
func members(object []byte, f func(name string, value jsontext.Value) bool) bool {
	dec := jsontext.NewDecoder(bytes.NewBuffer(object)) // refuses duplicate names and invalid UTF-8
	if tok, err := dec.ReadToken(); err != nil || tok.Kind() != '{' {
		return false
	}
	for {
		tok, err := dec.ReadToken()
		if err != nil {
			return false
		}
		if tok.Kind() == '}' {
			break
		}
		name := tok.String()
		value, err := dec.ReadValue()
		if err != nil || !f(name, value) {
			return false
		}
	}
	_, err := dec.ReadToken()
	return errors.Is(err, io.EOF)
}

func (c *compact) headerMember(name string, value jsontext.Value) bool {
	ok := true
	switch name {
	case "typ":
		c.typ, ok = text(value)
	case "alg":
		c.alg, ok = text(value)
	case "kid":
		c.kid, ok = text(value)
		c.hasKID = true
	case "crit":
		c.crit = true // nothing that it could name is processed here
	}
	return ok
}

func (c *compact) claim(name string, value jsontext.Value, scopeClaim string) {
	ok := true
	switch name {
	case "iss":
		c.iss, ok = text(value)
		c.claims.Issuer = c.iss
	case "exp":
		c.exp, ok = numericDate(value)
	case "nbf":
		c.nbf, ok = numericDate(value)
	case "iat":
		c.iat, ok = numericDate(value)
	case "aud":
		c.aud = audience(value)
		c.claims.Audience = c.aud
	case "cnf":
		c.bound = true
	case "sub":
		c.claims.Subject, ok = text(value)
	case "client_id":
		c.claims.ClientID, ok = text(value)
	case "azp":
		c.azp, _ = text(value)
	case "nonce", "at_hash", "c_hash", "events": // OpenID Connect Core §2, §3.3.2.11; Back-Channel Logout §2.4
		c.idToken = true
	case "token_use":
		c.use, _ = text(value)
	case "typ":
		c.payloadType, _ = text(value)
		if strings.EqualFold(c.payloadType, "dpop") { // Keycloak's access tokens that are bound to a key
			c.payloadType, c.bound = "Bearer", true
		}
	}
	switch {
	case !ok:
		c.faulty = true
	case name == scopeClaim, scopeClaim == "" && name == "scope":
		c.claims.Scopes, ok = scopes(value)
		c.hasScope, c.faulty = true, c.faulty || !ok
	case scopeClaim == "" && name == "scp":
		c.scp, ok = scopes(value)
		c.scpFaulty = !ok
	}
}

func text(value jsontext.Value) (string, bool) {
	var s string
	if value.Kind() != '"' || json.Unmarshal(value, &s) != nil {
		return "", false
	}
	return s, true
}

// numericDate takes a JSON number, fractions allowed, up to the year 9999.
func numericDate(value jsontext.Value) (*float64, bool) {
	if value.Kind() != '0' {
		return nil, false
	}
	f, err := strconv.ParseFloat(string(value), 64)
	if err != nil || f < 0 || f > 253402300799 || math.IsNaN(f) {
		return nil, false
	}
	return &f, true
}

// audience reads one string or an array of strings. Anything else names nobody: an empty list, which is not nil.
func audience(value jsontext.Value) []string {
	if one, ok := text(value); ok {
		return []string{one}
	}
	if many, ok := texts(value); ok && many != nil {
		return many
	}
	return []string{}
}

// scopes reads a space-delimited string (RFC 9068 §2.2.3) or an array of strings; a member of an array is one scope.
func scopes(value jsontext.Value) ([]string, bool) {
	if one, ok := text(value); ok {
		out := []string{}
		for s := range strings.SplitSeq(one, " ") {
			if s != "" {
				out = append(out, s)
			}
		}
		return out, true
	}
	return texts(value)
}

func texts(value jsontext.Value) ([]string, bool) {
	if value.Kind() != '[' {
		return nil, false
	}
	var raw []jsontext.Value
	if json.Unmarshal(value, &raw) != nil {
		return nil, false
	}
	out := make([]string, 0, len(raw))
	for _, v := range raw {
		s, ok := text(v)
		if !ok || s == "" {
			return nil, false
		}
		out = append(out, s)
	}
	return out, true
}
