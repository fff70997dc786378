package main

import (
	"context"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/spec"
	"github.com/mcp-authz/mcp-authz/authz/token"
)

// share is what one authorization server gets of the cache.
type share struct{ entries, bytes int }

func newIssuer(s *spec.AuthorizationServer, cache share, log *slog.Logger) (*token.Issuer, error) {
	return token.NewIssuer(token.Config{
		Name: s.Name, Issuer: s.Issuer, JWKSURL: s.JWKSURL, JWKS: s.JWKS,
		Algorithms: s.Algorithms, RequireATJWT: s.AccessTokenType == "at+jwt", ScopeClaim: s.ScopeClaim,
		InsecureClientIDAudience: s.InsecureClientIDAudience,
		Leeway:                   time.Duration(s.Leeway), RefreshInterval: time.Duration(s.RefreshInterval), MaxStaleness: time.Duration(s.MaxStaleness),
		CAFile: s.CAFile, BearerTokenFile: s.BearerTokenFile, InsecureAllowHTTP: s.InsecureAllowHTTP, RefuseLoopback: s.Foreign,
		CacheEntries: cache.entries, CacheBytes: cache.bytes, Log: log,
	})
}

// issuers are the running authorization servers of the configuration in force. One whose declaration does not change keeps
// its keys and its cache over a reload.
type issuers struct {
	log   *slog.Logger
	cache share           // of all together
	ctx   context.Context //nolint:containedctx // the life of the process; every issuer's ends with it

	mu   sync.Mutex
	runs map[string]*running
	wg   sync.WaitGroup
}

type running struct {
	*token.Issuer
	spec spec.AuthorizationServer
	stop context.CancelFunc
}

func newIssuers(ctx context.Context, limits spec.Limits, log *slog.Logger) *issuers {
	return &issuers{log: log, cache: share{limits.CacheEntries, limits.CacheBytes}, ctx: ctx, runs: map[string]*running{}}
}

// prepare makes the issuers that a file needs, without touching those in use. commit puts them in force and stops those that
// are no longer declared; until then nothing has happened.
func (i *issuers) prepare(f *spec.File) (verifier func([]string) authz.Verifier, commit func(), err error) {
	i.mu.Lock()
	defer i.mu.Unlock()
	next := map[string]*running{}
	n := max(1, len(f.AuthorizationServers))
	each := share{max(1, i.cache.entries/n), max(1, i.cache.bytes/n)}
	for n := range f.AuthorizationServers {
		s := &f.AuthorizationServers[n]
		if old := i.runs[s.Name]; old != nil && reflect.DeepEqual(old.spec, *s) {
			next[s.Name] = old // with the cache it has: a tenant who comes or goes must cost nobody else his keys
			continue
		}
		issuer, err := newIssuer(s, each, i.log)
		if err != nil {
			return nil, nil, err
		}
		next[s.Name] = &running{Issuer: issuer, spec: *s}
	}
	verifier = func(names []string) authz.Verifier {
		all := make([]*token.Issuer, 0, len(names))
		for _, name := range names {
			all = append(all, next[name].Issuer)
		}
		return token.NewVerifier(all...)
	}
	return verifier, func() { i.commit(next, each) }, nil
}

func (i *issuers) commit(next map[string]*running, each share) {
	i.mu.Lock()
	defer i.mu.Unlock()
	for name, old := range i.runs {
		if next[name] != old {
			old.stop()
		}
	}
	for _, r := range next {
		r.ResizeCache(each.bytes) // those that stay make room, or get some
		if r.stop == nil {
			ctx, cancel := context.WithCancel(i.ctx)
			r.stop = cancel
			i.wg.Go(func() { r.Run(ctx) })
		}
	}
	i.runs = next
}

// all are the issuers in force, by name.
func (i *issuers) all() map[string]*running {
	i.mu.Lock()
	defer i.mu.Unlock()
	out := make(map[string]*running, len(i.runs))
	for name, r := range i.runs {
		out[name] = r
	}
	return out
}

// wait returns when every issuer has ended; their context must have.
func (i *issuers) wait() { i.wg.Wait() }
