package authztest

import (
	"context"
	"crypto/elliptic"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Issuer is an authorization server's public side: metadata (RFC 8414, OpenID Connect Discovery) and keys (RFC 7517). It is
// an http.Handler, safe for concurrent use. By default tokens are signed with RS256.
type Issuer struct {
	mu       sync.Mutex
	url      string
	keys     []*Key // published; the last one signs
	counter  int
	clock    time.Duration // how far it is ahead
	keysPath string
	metadata map[string]any
	jwks     []byte // instead of the keys
	faults   map[string]Fault
	fetches  map[string]int
	changed  chan struct{} // closed at every fetch, then replaced
	released chan struct{} // closed by Release, then replaced
}

// Paths of the documents, as Fail and Fetches name them.
const (
	OAuthMetadata  = "/.well-known/oauth-authorization-server"
	OpenIDMetadata = "/.well-known/openid-configuration"
	JWKS           = "/jwks"
)

// NewIssuer makes an issuer with the given identifier and one fresh RS256 key. It does not listen.
func NewIssuer(url string) *Issuer {
	return NewIssuerWithKey(url, GenerateRSA(keyID(1), 2048))
}

// NewIssuerWithKey is NewIssuer with a key of the caller's.
func NewIssuerWithKey(url string, key *Key) *Issuer {
	Guard(key.ID)
	return &Issuer{
		url: url, keys: []*Key{key}, counter: 1, keysPath: JWKS, faults: map[string]Fault{}, fetches: map[string]int{},
		changed: make(chan struct{}), released: make(chan struct{}),
	}
}

// keyID names a key so that it is found wherever it is said.
func keyID(n int) string { return fmt.Sprintf("key-%d-of-the-test-kit", n) }

// Listen serves the issuer on a loopback address ("127.0.0.1:0" for any port) and, if it has no identifier yet, makes the
// address its identifier. stop ends it at once.
func (i *Issuer) Listen(addr string) (stop func(), err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	if host, _, _ := net.SplitHostPort(l.Addr().String()); !net.ParseIP(host).IsLoopback() {
		l.Close()
		return nil, fmt.Errorf("%s is not a loopback address; this issuer is for tests and development", addr)
	}
	i.mu.Lock()
	if i.url == "" {
		i.url = "http://" + l.Addr().String()
	}
	i.mu.Unlock()
	server := &http.Server{Handler: i, ReadHeaderTimeout: 5 * time.Second}
	go server.Serve(l) //nolint:errcheck // ends with stop
	return func() { server.Close() }, nil
}

// URL is the issuer identifier.
func (i *Issuer) URL() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.url
}

// JWKSURL is where the keys are.
func (i *Issuer) JWKSURL() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.jwksURL()
}

func (i *Issuer) jwksURL() string { return strings.TrimSuffix(i.url, "/") + i.keysPath }

// MoveKeys puts the keys at another path below the issuer. The metadata says so, and the old place is 404. As a document they
// are still named JWKS.
func (i *Issuer) MoveKeys(path string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keysPath = path
}

// SetClock makes the issuer's clock differ: it is ahead by so much, or behind, in all tokens that it makes from now on.
func (i *Issuer) SetClock(ahead time.Duration) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.clock = ahead
}

// now is the time by the issuer's clock.
func (i *Issuer) now() time.Time {
	i.mu.Lock()
	defer i.mu.Unlock()
	return time.Now().Add(i.clock)
}

// Current is the key that signs.
func (i *Issuer) Current() *Key {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keys[len(i.keys)-1]
}

// AddKey publishes a key; tokens are signed with it from now on.
func (i *Issuer) AddKey(k *Key) {
	Guard(k.ID)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = append(i.keys, k)
}

// Rotate publishes a fresh key of a cheap kind beside the old ones and signs with it.
func (i *Issuer) Rotate() *Key {
	i.mu.Lock()
	i.counter++
	k := GenerateEC(keyID(i.counter), elliptic.P256())
	i.mu.Unlock()
	i.AddKey(k)
	return k
}

// Evict withdraws every key but the current one.
func (i *Issuer) Evict() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.keys = i.keys[len(i.keys)-1:]
}

// SetJWKS replaces the key set document; nil restores it.
func (i *Issuer) SetJWKS(document []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.jwks = document
}

// SetMetadata puts members over those of the metadata documents.
func (i *Issuer) SetMetadata(members map[string]any) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.metadata = members
}

// KeySet is the key set document.
func (i *Issuer) KeySet() []byte {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.keySet()
}

func (i *Issuer) keySet() []byte {
	if i.jwks != nil {
		return i.jwks
	}
	list := []any{}
	for _, k := range i.keys {
		list = append(list, k.JWK(map[string]any{"alg": k.Algorithm()}))
	}
	return encode(map[string]any{"keys": list})
}

// Metadata is the metadata document, the same in its RFC 8414 and OpenID Connect places.
func (i *Issuer) Metadata() map[string]any {
	i.mu.Lock()
	defer i.mu.Unlock()
	return merge(map[string]any{
		"issuer":   i.url,
		"jwks_uri": i.jwksURL(),
	}, i.metadata)
}

// ServeHTTP implements http.Handler: the documents in all their places, and 404 elsewhere.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	issuerPath := ""
	if _, rest, ok := strings.Cut(i.URL(), "://"); ok {
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			issuerPath = strings.TrimSuffix(rest[slash:], "/")
		}
	}
	i.mu.Lock()
	keysPath := i.keysPath
	i.mu.Unlock()
	switch r.URL.Path {
	case OAuthMetadata + issuerPath:
		i.serve(w, r, OAuthMetadata, mustJSON(i.Metadata()))
	case OpenIDMetadata + issuerPath, issuerPath + OpenIDMetadata:
		i.serve(w, r, OpenIDMetadata, mustJSON(i.Metadata()))
	case issuerPath + keysPath:
		i.serve(w, r, JWKS, i.KeySet())
	default:
		http.NotFound(w, r)
	}
}

func mustJSON(v any) []byte { return sure(json.Marshal(v)) }

func (i *Issuer) serve(w http.ResponseWriter, r *http.Request, name string, document []byte) {
	i.mu.Lock()
	i.fetches[name]++
	close(i.changed)
	i.changed = make(chan struct{})
	fault, released, n, key := i.faults[name], i.released, i.fetches[name], i.keys[len(i.keys)-1]
	i.mu.Unlock()
	fault.serve(w, r, fault.Kind.spoil(document, key, n), released)
}

// Fetches is how often a document was asked for.
func (i *Issuer) Fetches(name string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.fetches[name]
}

// WaitFetches waits until a document was asked for at least n times.
func (i *Issuer) WaitFetches(ctx context.Context, name string, n int) error {
	for {
		i.mu.Lock()
		got, changed := i.fetches[name], i.changed
		i.mu.Unlock()
		if got >= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
