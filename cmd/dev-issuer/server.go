package main

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// maxFormBytes bounds a request body.
const maxFormBytes = 64 << 10

// server is the authorization server: the endpoints around the kit's issuer, which has the keys and the documents.
type server struct {
	issuer   *authztest.Issuer
	base     string // of the endpoints
	lifetime time.Duration
	store    *store
	handler  http.Handler
}

func newServer(issuer string, lifetime time.Duration) *server {
	s := &server{issuer: authztest.NewIssuer(issuer), base: strings.TrimSuffix(issuer, "/"), lifetime: lifetime, store: newStore()}
	s.issuer.SetMetadata(map[string]any{
		"authorization_endpoint":                         s.base + "/authorize",
		"token_endpoint":                                 s.base + "/token",
		"registration_endpoint":                          s.base + "/register",
		"response_types_supported":                       []string{"code"},
		"response_modes_supported":                       []string{"query"},
		"grant_types_supported":                          []string{grantCode, grantClient, grantRefresh},
		"code_challenge_methods_supported":               []string{"S256"},
		"token_endpoint_auth_methods_supported":          []string{"none", "client_secret_post", "client_secret_basic"},
		"authorization_response_iss_parameter_supported": true,
		"subject_types_supported":                        []string{"public"},
		"id_token_signing_alg_values_supported":          []string{"RS256"},
	})
	path := ""
	if _, rest, ok := strings.Cut(s.base, "://"); ok {
		if slash := strings.IndexByte(rest, '/'); slash >= 0 {
			path = rest[slash:]
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+path+"/authorize", s.authorize)
	mux.HandleFunc("POST "+path+"/token", s.token)
	mux.HandleFunc("POST "+path+"/register", s.register)
	mux.Handle("/", s.issuer)
	s.handler = cors(mux)
	return s
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// rotate signs with a new key from now on. The one before it stays published, older ones are withdrawn.
func (s *server) rotate() {
	s.issuer.Evict()
	s.issuer.Rotate()
}

// cors lets pages of any origin use the server: it is for development.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Access-Control-Allow-Origin", "*")
		if r.Method == http.MethodOptions {
			w.Header().Set("Access-Control-Allow-Methods", "GET, POST")
			w.Header().Set("Access-Control-Allow-Headers", "*, authorization")
			w.WriteHeader(http.StatusNoContent)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxFormBytes)
		next.ServeHTTP(w, r)
	})
}

func reply(w http.ResponseWriter, status int, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client may be gone
}

// refuse answers with an OAuth error (RFC 6749 §5.2).
func refuse(w http.ResponseWriter, status int, code, description string) {
	reply(w, status, map[string]any{"error": code, "error_description": description})
}
