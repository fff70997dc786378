package token

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
)

// Limits on what is fetched from an authorization server.
const (
	MaxMetadataBytes = 1 << 20
	FetchTimeout     = 5 * time.Second // for metadata and keys together
	maxRedirects     = 3               // all within one origin
)

// UserAgent is who an authorization server sees fetching (RFC 9110 §10.1.5).
const UserAgent = "mcp-authz"

// fault is why a fetch failed, as far as a log may say it: no text of the other side, no URL.
type fault struct{ text string }

func (f fault) Error() string { return f.text }

var (
	faultUnreachable = fault{"no answer, or not in time"}
	faultLoopback    = fault{"an address of loopback, where this declaration must not lead"}
	faultCertificate = fault{"a certificate of no authority that is trusted, or of another name: caFile may name the authority"}
	faultStatus      = fault{"an answer other than 200"}
	faultDenied      = fault{"an answer 401 or 403: the URL wants a credential (bearerTokenFile), or another one"}
	faultSize        = fault{"a document over the size limit"}
	faultForm        = fault{"a metadata document that is not a JSON object"}
	faultIssuer      = fault{"a metadata document of another issuer"}
	faultKeysURL     = fault{"a metadata document without a usable jwks_uri"}
	faultCA          = fault{"caFile cannot be read, or holds no certificate in PEM"}
	faultBearer      = fault{"bearerTokenFile cannot be read, or holds no token"}
)

func cause(err error) string {
	var f fault
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &f):
		return f.text
	case errors.As(err, &certificate):
		return faultCertificate.text
	case errors.Is(err, errKeySetForm), errors.Is(err, errKeySetSize), errors.Is(err, errNoUsable):
		return err.Error()
	}
	return faultUnreachable.text
}

// fetch gets the key set anew, by way of the metadata document unless a URL is declared.
func (i *Issuer) fetch(ctx context.Context) (*keySet, error) {
	ctx, cancel := context.WithTimeout(ctx, FetchTimeout)
	defer cancel()
	if err := i.fetcher.prepare(ctx, &i.Config); err != nil {
		return nil, err
	}
	keysURL := i.JWKSURL
	if keysURL == "" {
		var err error
		if keysURL, err = i.discover(ctx); err != nil {
			return nil, err
		}
	}
	document, _, err := i.get(ctx, keysURL, MaxKeysBytes)
	if err != nil {
		return nil, err
	}
	return newKeySet(document, i.Algorithms)
}

// discover asks for the metadata document in the order that MCP prescribes to clients, so that both sides reach the same
// server: RFC 8414 with the path inserted, OpenID Connect inserted, OpenID Connect appended. It returns the jwks_uri of the
// first document that is the issuer's own (RFC 8414 §3.3).
func (i *Issuer) discover(ctx context.Context) (string, error) {
	var first error
	for _, u := range discoveryURLs(i.Issuer) {
		keysURL, err := i.document(ctx, u)
		if err == nil {
			return keysURL, nil
		}
		if first == nil || !errors.Is(err, faultStatus) { // "not here" says less than anything else
			first = err
		}
		if ctx.Err() != nil {
			break
		}
	}
	return "", first
}

func discoveryURLs(issuer string) []string {
	origin, path := issuer, ""
	if n := strings.Index(issuer, "://"); n >= 0 {
		if slash := strings.IndexByte(issuer[n+3:], '/'); slash >= 0 {
			origin, path = issuer[:n+3+slash], strings.TrimSuffix(issuer[n+3+slash:], "/")
		}
	}
	const oauth, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
	urls := []string{origin + oauth + path, origin + openid + path}
	if path != "" {
		urls = append(urls, origin+path+openid)
	}
	return urls
}

// document asks for one metadata document, for half of the time that is left at most: one that never comes must not take it
// all from those after it, and from the keys.
func (i *Issuer) document(ctx context.Context, u string) (keysURL string, err error) {
	if end, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(end)/2)
		defer cancel()
	}
	body, contentType, err := i.get(ctx, u, MaxMetadataBytes)
	if err != nil {
		return "", err
	}
	var d struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if mediaType, _, err := mime.ParseMediaType(contentType); err != nil || mediaType != "application/json" || json.Unmarshal(body, &d) != nil {
		return "", faultForm
	}
	if d.Issuer != i.Issuer {
		return "", faultIssuer
	}
	if !i.mayFetch(d.JWKSURI) {
		return "", faultKeysURL
	}
	return d.JWKSURI, nil
}

// mayFetch reports whether keys may come from a URL that metadata names: by https, or by plain http within loopback or where
// the declaration says so.
func (i *Issuer) mayFetch(u string) bool {
	parsed, err := url.Parse(u)
	if err != nil || parsed.Hostname() == "" || parsed.User != nil || !isASCII(parsed.Host) {
		return false
	}
	switch parsed.Scheme {
	case "https":
		return true
	case "http":
		declared, err := url.Parse(i.Issuer)
		return err == nil && declared.Scheme == "http" && (i.InsecureAllowHTTP || isLoopback(parsed) && isLoopback(declared))
	}
	return false
}

func (i *Issuer) get(ctx context.Context, u string, limit int64) (body []byte, contentType string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, "", faultUnreachable
	}
	if i.RefuseLoopback && isLoopback(req.URL) { // whoever would dial it
		return nil, "", faultLoopback
	}
	req.Header.Set("Accept", "application/json, application/jwk-set+json")
	req.Header.Set("User-Agent", UserAgent)
	resp, err := i.fetcher.do(req)
	if err != nil {
		return nil, "", err // cause tells what of it may be said
	}
	defer resp.Body.Close()
	switch resp.StatusCode {
	case http.StatusOK:
	case http.StatusUnauthorized, http.StatusForbidden:
		return nil, "", faultDenied
	default:
		return nil, "", faultStatus
	}
	body, err = io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, "", faultUnreachable
	case int64(len(body)) > limit:
		return nil, "", faultSize
	}
	return body, resp.Header.Get("Content-Type"), nil
}
