package token

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// Config declares one authorization server, as a verifier of its tokens sees it.
type Config struct {
	Name    string // in logs
	Issuer  string // compared byte for byte with "iss" and with the metadata document
	JWKSURL string // instead of discovery
	JWKS    []byte // inline, instead of both; never fetched, never stale

	Algorithms               []string // nil: all of Algorithms()
	RequireATJWT             bool     // "typ" must be at+jwt (RFC 9068 §4)
	ScopeClaim               string   // "": "scope", else "scp"
	InsecureClientIDAudience []string // client ids whose tokens pass without an "aud"

	Leeway          time.Duration // for clocks that differ
	RefreshInterval time.Duration // of metadata and keys
	MaxStaleness    time.Duration // how long the last good keys serve through an outage

	CacheEntries int               // verified tokens remembered
	Transport    http.RoundTripper // nil: one with the limits of this package
	Log          *slog.Logger      // nil: nowhere
}

// Issuer holds the keys of one declared authorization server and the tokens that they verified. Its keys serve this
// declaration only, whatever another one of the same issuer string has.
type Issuer struct {
	Config
	keys    atomic.Pointer[keySet] // nil until the first good fetch
	cache   *otter.Cache[digest, *verdict]
	refresh refresh
	client  *http.Client
}

// NewIssuer makes an issuer. It does no I/O; Run fetches the keys.
func NewIssuer(c Config) (*Issuer, error) {
	if len(c.Algorithms) == 0 {
		c.Algorithms = Algorithms()
	}
	for _, a := range c.Algorithms {
		if !KnownAlgorithm(a) {
			return nil, fmt.Errorf("the algorithm %q is not one of %v", a, Algorithms())
		}
	}
	if c.Issuer == "" {
		return nil, errors.New("the issuer is empty")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	cache, err := otter.New(&otter.Options[digest, *verdict]{
		MaximumSize:      max(1, c.CacheEntries),
		ExpiryCalculator: otter.ExpiryWriting[digest, *verdict](maxCached),
	})
	if err != nil {
		return nil, fmt.Errorf("the token cache: %w", err)
	}
	i := &Issuer{Config: c, cache: cache, client: newClient(c)}
	i.refresh.init()
	if c.JWKS != nil {
		ks, err := newKeySet(c.JWKS, c.Algorithms)
		if err != nil {
			return nil, err
		}
		ks.epoch, ks.static = 1, true
		i.keys.Store(ks)
		i.refresh.markAttempted()
	}
	return i, nil
}

// current returns the keys that may be used now, nil if there are none or they are older than MaxStaleness.
func (i *Issuer) current() *keySet {
	ks := i.keys.Load()
	if ks == nil || !ks.static && time.Since(ks.began) > i.MaxStaleness {
		return nil
	}
	return ks
}

// Status is what operators are told of an issuer.
type Status struct {
	Keys        int       // usable ones, of the last good set
	LastSuccess time.Time // when the fetch began that brought the last good set; zero if there is none
	LastAttempt time.Time
	Failing     bool // the last attempt failed
}

// Status reports how the keys of the issuer are.
func (i *Issuer) Status() Status {
	s := i.refresh.status()
	if ks := i.keys.Load(); ks != nil {
		s.Keys, s.LastSuccess = ks.keys, ks.began
	}
	return s
}

// Attempted is closed once the first fetch of keys ended, well or not.
func (i *Issuer) Attempted() <-chan struct{} { return i.refresh.attempted }

// digest is the SHA-256 of a token. Tokens themselves are not kept.
type digest [32]byte

// maxCached bounds how long a verification is remembered.
const maxCached = 5 * time.Minute

// verdict is a remembered verification of a signature.
type verdict struct {
	token *compact // without signature and signed part
	epoch uint64   // of the keys that verified it
	until time.Time
}

// remembered returns a token whose signature was verified by keys that are still those in use.
func (i *Issuer) remembered(d digest, epoch uint64) *compact {
	v, ok := i.cache.GetIfPresent(d)
	if !ok || v.epoch != epoch || time.Now().After(v.until) {
		return nil
	}
	return v.token
}

// remember stores a verification under the epoch of the keys that made it, read before it was made.
func (i *Issuer) remember(d digest, c *compact, epoch uint64) {
	until := time.Now().Add(maxCached)
	if exp := time.UnixMilli(int64(*c.exp * 1000)).Add(i.Leeway); exp.Before(until) {
		until = exp
	}
	c.signed, c.signature = "", nil
	i.cache.Set(d, &verdict{token: c, epoch: epoch, until: until})
}
