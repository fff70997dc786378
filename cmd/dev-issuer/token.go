package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	grantCode    = "authorization_code"
	grantClient  = "client_credentials"
	grantRefresh = "refresh_token"

	refreshLifetime = 24 * time.Hour
)

// token is the token endpoint (OAuth 2.1 §3.2).
func (s *server) token(w http.ResponseWriter, r *http.Request) {
	if r.ParseForm() != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the body is not a form")
		return
	}
	form := r.PostForm
	c, ok := s.authenticate(r, form)
	if !ok {
		w.Header().Set("WWW-Authenticate", `Basic realm="dev-issuer"`)
		refuse(w, http.StatusUnauthorized, "invalid_client", "the client is not known or did not authenticate")
		return
	}
	switch form.Get("grant_type") {
	case grantCode:
		s.redeemCode(w, c, form)
	case grantRefresh:
		g, ok := s.store.take(s.store.refresh, form.Get("refresh_token"))
		if !ok || g.Client != c.ID {
			refuse(w, http.StatusBadRequest, "invalid_grant", "the refresh token is not known, was used or expired")
			return
		}
		s.issueTo(w, g, form)
	case grantClient:
		if c.Secret == "" {
			refuse(w, http.StatusBadRequest, "unauthorized_client", "a public client has no credentials of its own")
			return
		}
		if !resourcesAllowed(form["resource"]) {
			refuse(w, http.StatusBadRequest, "invalid_target", textTarget)
			return
		}
		s.issue(w, grant{Client: c.ID, Scope: form.Get("scope"), Resources: form["resource"]}, c.ID, nil)
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "only authorization_code, refresh_token and client_credentials are supported")
	}
}

func (s *server) authenticate(r *http.Request, form url.Values) (client, bool) {
	id, secret := form.Get("client_id"), form.Get("client_secret")
	if user, password, basic := r.BasicAuth(); basic {
		id, _ = url.QueryUnescape(user) // RFC 6749 §2.3.1
		secret, _ = url.QueryUnescape(password)
	}
	c, known := s.store.client(id)
	return c, known && subtle.ConstantTimeCompare([]byte(c.Secret), []byte(secret)) == 1
}

func (s *server) redeemCode(w http.ResponseWriter, c client, form url.Values) {
	g, ok := s.store.take(s.store.codes, form.Get("code"))
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	switch {
	case !ok || g.Client != c.ID:
		refuse(w, http.StatusBadRequest, "invalid_grant", "the code is not known, was used or expired")
	case base64.RawURLEncoding.EncodeToString(sum[:]) != g.Challenge:
		refuse(w, http.StatusBadRequest, "invalid_grant", "the code_verifier does not fit the code_challenge")
	case g.Redirect != "" && form.Get("redirect_uri") != "" && form.Get("redirect_uri") != g.Redirect:
		refuse(w, http.StatusBadRequest, "invalid_grant", "the redirect_uri is not that of the authorization request")
	default:
		s.issueTo(w, g, form)
	}
}

// issueTo issues what a token request asks for of a user's grant. Refresh tokens stand for the whole grant (RFC 6749 §6).
func (s *server) issueTo(w http.ResponseWriter, g grant, form url.Values) {
	wanted := form["resource"]
	if len(g.Resources) == 0 { // of a client that names the resource here alone
		g.Resources = wanted
	}
	foreign := func(r string) bool { return !slices.Contains(g.Resources, r) }
	if slices.ContainsFunc(wanted, foreign) || !resourcesAllowed(wanted) {
		refuse(w, http.StatusBadRequest, "invalid_target", textTarget)
		return
	}
	s.issue(w, narrowed(g, form), "dev-user", &g)
}

const textTarget = "a resource is not one of those granted, or no absolute URI without a fragment"

// resourcesAllowed applies RFC 8707 §2.
func resourcesAllowed(resources []string) bool {
	return !slices.ContainsFunc(resources, func(r string) bool { return !absoluteURI(r) })
}

// absoluteURI reports whether a text is a URI with a scheme and without a fragment (RFC 3986 §4.3).
func absoluteURI(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && u.Scheme != "" && !strings.Contains(raw, "#")
}

// narrowed applies the resource and scope of a token request to what was granted; neither can add anything.
func narrowed(g grant, form url.Values) grant {
	if wanted := form["resource"]; len(wanted) > 0 {
		g.Resources = wanted
	}
	if scope := form.Get("scope"); scope != "" {
		granted := " " + g.Scope + " "
		kept := []string{}
		for _, s := range strings.Fields(scope) {
			if strings.Contains(granted, " "+s+" ") {
				kept = append(kept, s)
			}
		}
		g.Scope = strings.Join(kept, " ")
	}
	return g
}

// issue answers with an access token for the resources (RFC 8707 §2.2), and a refresh token where there is something to renew.
func (s *server) issue(w http.ResponseWriter, g grant, subject string, renew *grant) {
	now := time.Now()
	claims := map[string]any{
		"sub": subject, "client_id": g.Client, "iat": now.Unix(), "exp": now.Add(s.lifetime).Unix(),
	}
	switch len(g.Resources) {
	case 0: // for nobody: no protected resource will take it
	case 1:
		claims["aud"] = g.Resources[0]
	default:
		claims["aud"] = g.Resources
	}
	answer := map[string]any{"token_type": "Bearer", "expires_in": int(s.lifetime.Seconds())}
	if g.Scope != "" {
		claims["scope"], answer["scope"] = g.Scope, g.Scope
	}
	answer["access_token"] = s.issuer.Mint(claims)
	if renew != nil {
		renew.Expires = now.Add(refreshLifetime)
		name, err := s.store.put(s.store.refresh, *renew)
		if err != nil {
			refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", err.Error())
			return
		}
		answer["refresh_token"] = name
	}
	reply(w, http.StatusOK, answer)
}
