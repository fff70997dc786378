package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/op"
)

// store is the example's storage. It has no setting for the type of a client's access tokens, for their lifetime, for more than one
// key, and none for scopes in tokens, so this is it.
type store struct {
	*storage.Storage
	users    storage.UserStore
	lifetime time.Duration

	mu   sync.Mutex
	keys []*storage.Storage // the newest first. Each makes a key at its start, and has nothing else to do here.
}

// rotate has a new key sign from now on. Only the one before it stays published.
func (s *store) rotate() {
	fresh := storage.NewStorage(s.users)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = append([]*storage.Storage{fresh}, s.keys[:min(1, len(s.keys))]...)
}

func (s *store) SigningKey(ctx context.Context) (op.SigningKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys[0].SigningKey(ctx)
}

func (s *store) KeySet(ctx context.Context) (all []op.Key, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.keys {
		keys, err := k.KeySet(ctx)
		if err != nil {
			return nil, err
		}
		all = append(all, keys...)
	}
	return all, nil
}

func (s *store) CreateAccessToken(ctx context.Context, r op.TokenRequest) (id string, expires time.Time, err error) {
	id, expires, err = s.Storage.CreateAccessToken(ctx, r)
	return id, s.ends(expires), err
}

func (s *store) CreateAccessAndRefreshTokens(ctx context.Context, r op.TokenRequest, current string) (id, refresh string, expires time.Time, err error) {
	id, refresh, expires, err = s.Storage.CreateAccessAndRefreshTokens(ctx, r, current)
	return id, refresh, s.ends(expires), err
}

func (s *store) ends(otherwise time.Time) time.Time {
	if s.lifetime == 0 {
		return otherwise
	}
	return time.Now().Add(s.lifetime)
}

// mayUse are the scopes of an MCP server.
func mayUse(scope string) bool { return scope == "mcp:use" || scope == "mcp:admin" }

// forMCP are the clients whose tokens say for which of them they are. "sid1" is the example's machine.
func forMCP(client string) bool { return client == "mcp" || client == "sid1" }

func (s *store) GetPrivateClaimsFromScopes(ctx context.Context, user, client string, scopes []string) (map[string]any, error) {
	claims, err := s.Storage.GetPrivateClaimsFromScopes(ctx, user, client, scopes)
	if err != nil || !forMCP(client) {
		return claims, err
	}
	if claims == nil {
		claims = map[string]any{}
	}
	claims["scope"] = strings.Join(scopes, " ")
	return claims, nil
}

func (s *store) GetClientByClientID(ctx context.Context, id string) (op.Client, error) {
	return typed(s.Storage.GetClientByClientID(ctx, id))
}

func (s *store) ClientCredentials(ctx context.Context, id, secret string) (op.Client, error) {
	return typed(s.Storage.ClientCredentials(ctx, id, secret))
}

// typed gives the clients that are to have them access tokens that are JWTs.
func typed(c op.Client, err error) (op.Client, error) {
	switch {
	case err != nil || c.GetID() != "jwt" && !forMCP(c.GetID()):
		return c, err
	case forMCP(c.GetID()):
		return scoped{jwt{c}}, nil
	}
	return jwt{c}, nil
}

type jwt struct{ op.Client }

func (jwt) AccessTokenType() op.AccessTokenType { return op.AccessTokenTypeJWT }

type scoped struct{ op.Client }

func (scoped) IsScopeAllowed(scope string) bool { return mayUse(scope) }
