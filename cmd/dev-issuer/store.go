package main

import (
	"crypto/rand"
	"errors"
	"net"
	"net/url"
	"sync"
	"time"
)

// Limits on what is remembered.
const (
	maxClients   = 10000
	maxGrants    = 10000
	codeLifetime = time.Minute
)

var errFull = errors.New("too many are remembered already; start dev-issuer anew")

// client is a registered client (RFC 7591).
type client struct {
	ID        string
	Secret    string // "" for a public client
	Redirects []string
}

// grant is what a code or refresh token stands for.
type grant struct {
	Client    string
	Redirect  string // as sent
	Challenge string // of PKCE
	Scope     string
	Resources []string
	Expires   time.Time
}

// store remembers clients, codes and refresh tokens until the process ends.
type store struct {
	mu      sync.Mutex
	clients map[string]client
	codes   map[string]grant
	refresh map[string]grant
}

func newStore() *store {
	return &store{
		clients: map[string]client{"demo": {ID: "demo", Secret: "demo"}},
		codes:   map[string]grant{}, refresh: map[string]grant{},
	}
}

func (s *store) client(id string) (client, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c, ok := s.clients[id]
	return c, ok
}

func (s *store) addClient(c client) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.clients) >= maxClients {
		return errFull
	}
	s.clients[c.ID] = c
	return nil
}

// put remembers a grant under a fresh name; take gives it out once.
func (s *store) put(in map[string]grant, g grant) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, old := range in {
		if time.Now().After(old.Expires) {
			delete(in, name)
		}
	}
	if len(in) >= maxGrants {
		return "", errFull
	}
	name := rand.Text()
	in[name] = g
	return name, nil
}

func (s *store) take(from map[string]grant, name string) (grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	g, ok := from[name]
	delete(from, name)
	return g, ok && time.Now().Before(g.Expires)
}

// redirects reports whether a redirect URI is one of the client's: exactly, but for the port of a loopback address
// (RFC 8252 §7.3).
func (c client) redirects(to string) bool {
	for _, registered := range c.Redirects {
		if registered == to || loopback(registered) != "" && loopback(registered) == loopback(to) {
			return true
		}
	}
	return false
}

// loopback is a loopback redirect URI without its port, "" for any other URI.
func loopback(raw string) string {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "http" || u.User != nil {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return ""
	}
	u.Host = u.Hostname()
	return u.String()
}
