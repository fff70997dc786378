package token

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
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

	CAFile            string            // PEM: authorities of its certificate, instead of the system's; read at every fetch
	BearerTokenFile   string            // a token for the origins of Issuer and JWKSURL and no other; read at every fetch
	InsecureAllowHTTP bool              // with an http issuer, jwks_uri may be plain http on a host that is not loopback
	RefuseLoopback    bool              // of this machine nothing is asked, whatever its name: for declarations of people who do not run it
	Transport         http.RoundTripper // nil: one with the limits of this package; else CAFile is not used, and no name looked up

	CacheEntries int          // verified tokens remembered
	CacheBytes   int          // what these may take; 0: 4 KiB each
	Log          *slog.Logger // nil: nowhere
}

// Issuer holds the keys of one declared authorization server and the tokens that they verified. Its keys serve this
// declaration only, whatever another one of the same issuer string has.
type Issuer struct {
	Config
	keys    atomic.Pointer[keySet] // nil until the first good fetch, and after a withdrawal
	cache   cache
	refresh refresh
	fetcher fetcher

	// Of Run alone:
	epoch     uint64    // of the last key set; never goes back, so that no verdict of an earlier one counts again
	noneSince time.Time // since when every fetch has brought a key set without a key of use
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
	cache, err := newCache(c.CacheEntries, c.CacheBytes)
	if err != nil {
		return nil, fmt.Errorf("the token cache: %w", err)
	}
	i := &Issuer{Config: c, cache: cache}
	i.fetcher.caFile.Name, i.fetcher.caFile.Limit = c.CAFile, MaxCAFileBytes
	i.fetcher.bearerFile.Name, i.fetcher.bearerFile.Limit = c.BearerTokenFile, MaxBearerTokenBytes
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
	Keys        int       // that serve now: usable ones of the last good set, 0 once that is too old
	LastSuccess time.Time // when the fetch began that brought the last good set; zero if there is none
	LastAttempt time.Time
	Failing     bool   // the last attempt failed
	Cause       string // why, in words of this package; "" if it did not

	CachedTokens int    // verified tokens remembered
	CachedBytes  uint64 // what they take, roughly
	CacheHits    uint64 // tokens judged by a signature that was remembered
	Verified     uint64 // signatures computed, good and bad
}

// Status reports how the keys of the issuer are.
func (i *Issuer) Status() Status {
	s := i.refresh.status()
	if ks := i.keys.Load(); ks != nil {
		s.LastSuccess = ks.began
	}
	if ks := i.current(); ks != nil {
		s.Keys = ks.keys
	}
	s.CachedTokens, s.CachedBytes = i.cache.size()
	s.CacheHits, s.Verified = i.cache.hits.Load(), i.cache.misses.Load()
	return s
}

// ResizeCache changes how much the verified tokens may take.
func (i *Issuer) ResizeCache(bytes int) { i.cache.resize(bytes) }

// Attempted is closed once the first fetch of keys ended, well or not.
func (i *Issuer) Attempted() <-chan struct{} { return i.refresh.attempted }
