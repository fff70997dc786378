package spec

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mcp-authz/mcp-authz/metadata"
)

func (s *AuthorizationServer) validate(p *problems, path string) {
	if required(p, path+".issuer", s.Issuer, "the issuer identifier of an authorization server") {
		s.checkURL(p, path+".issuer", s.Issuer, false)
	}
	if s.JWKSURL != "" && !p.has(path+".jwksURL") {
		s.checkURL(p, path+".jwksURL", s.JWKSURL, true)
	}
	if s.JWKSURL != "" && s.JWKS != nil {
		p.add(path+".jwks", "jwks beside jwksURL", "one of the two", "remove one")
	}
	for i, a := range s.Algorithms {
		at := fmt.Sprintf("%s.algorithms[%d]", path, i)
		switch {
		case p.has(at):
		case strings.EqualFold(a, "none") || strings.HasPrefix(a, "HS"):
			p.add(at, strconv.Quote(short(a)), "an asymmetric algorithm", "a token that anybody can make proves nothing; remove it")
		default:
			oneOf(p, at, a, algorithms()...)
		}
	}
	if s.Algorithms != nil && len(s.Algorithms) == 0 {
		p.add(path+".algorithms", "an empty list", "at least one algorithm", "remove the key to accept all of "+strings.Join(algorithms(), " "))
	}
	oneOf(p, path+".accessTokenType", s.AccessTokenType, "any", "at+jwt")
	for i, id := range s.InsecureClientIDAudience {
		required(p, fmt.Sprintf("%s.insecureClientIDAudience[%d]", path, i), id, "a client id")
	}
	between(p, path+".leeway", s.Leeway, 0, Duration(2*time.Minute))
	between(p, path+".refreshInterval", s.RefreshInterval, Duration(10*time.Second), Duration(24*time.Hour))
	if !p.has(path + ".refreshInterval") {
		// A minute more: the next fetch, and some that fail, must come before the keys are too old.
		between(p, path+".maxStaleness", s.MaxStaleness, s.RefreshInterval+Duration(time.Minute), Duration(7*24*time.Hour))
	}
	s.validateFiles(p, path)
}

// validateFiles looks at the names only: what the files hold is read at every fetch, on the machine that fetches.
func (s *AuthorizationServer) validateFiles(p *problems, path string) {
	for _, file := range []struct{ key, name string }{{"caFile", s.CAFile}, {"bearerTokenFile", s.BearerTokenFile}} {
		at := path + "." + file.key
		switch {
		case file.name == "" || p.has(at):
		case s.JWKS != nil:
			p.add(at, file.key+" beside jwks", "one of the two", "inline keys are never fetched; remove one")
		}
	}
	if s.BearerTokenFile == "" || p.has(path+".bearerTokenFile") {
		return
	}
	for _, raw := range []string{s.Issuer, s.JWKSURL} {
		if u, err := url.Parse(raw); err == nil && u.Scheme == "http" && !metadata.IsLoopback(strings.ToLower(u.Hostname())) {
			p.add(path+".bearerTokenFile", "a token for plain http on "+strconv.Quote(short(u.Host)), "https", "whoever is on the way could read it; use https, or remove bearerTokenFile")
			return
		}
	}
}

// algorithms are those that package token implements; a test compares the two lists.
func algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// checkURL refuses what is no URL of an authorization server: RFC 8414 §2 wants https without query and fragment.
func (s *AuthorizationServer) checkURL(p *problems, path, raw string, query bool) {
	u, err := url.Parse(raw)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		p.add(path, strconv.Quote(short(raw)), "an absolute URL", "write it as https://host/path")
	case u.User != nil:
		p.add(path, "a URL with user information", "a URL without", "remove what stands before the @")
	case u.Fragment != "" || strings.Contains(raw, "#"):
		p.add(path, "a URL with a fragment", "a URL without", "remove the # and what follows it")
	case !query && (u.RawQuery != "" || strings.Contains(raw, "?")):
		p.add(path, "an issuer with a query", "an issuer without (RFC 8414 §2)", "remove the ? and what follows it")
	case !visibleASCII(raw):
		p.add(path, "a URL with a byte outside visible ASCII", "a URL as it goes over the wire", "percent-encode it")
	case s.Foreign && metadata.IsLoopback(strings.ToLower(u.Hostname())):
		p.add(path, "a URL of loopback", "a host that every instance can reach", "name the authorization server's own host")
	case u.Scheme == "https":
	case s.Foreign && u.Scheme == "http":
		p.add(path, "plain http on "+strconv.Quote(short(u.Host)), "https", "whoever is on the way could sign tokens; use https, or let the platform declare the server in the configuration file")
	case u.Scheme == "http" && (s.InsecureAllowHTTP || metadata.IsLoopback(strings.ToLower(u.Hostname()))):
	case u.Scheme == "http":
		p.add(path, "plain http on "+strconv.Quote(short(u.Host)), "https", "whoever is on the way could sign tokens; use https, or set insecureAllowHTTP: true")
	default:
		p.add(path, "the scheme "+strconv.Quote(short(u.Scheme)), "https", "")
	}
}

func visibleASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7e {
			return false
		}
	}
	return true
}
