package main

import (
	"net/http"
	"net/url"
	"time"
)

// authorize is the authorization endpoint (OAuth 2.1 §4.1.1). It consents at once.
func (s *server) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	c, known := s.store.client(q.Get("client_id"))
	redirect := q.Get("redirect_uri")
	if redirect == "" && len(c.Redirects) == 1 {
		redirect = c.Redirects[0]
	}
	if !known || !c.redirects(redirect) { // nowhere to send an error to
		refuse(w, http.StatusBadRequest, "invalid_request", "client_id or redirect_uri is not registered")
		return
	}
	to, err := url.Parse(redirect)
	if err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "redirect_uri is not a URL")
		return
	}
	answer := to.Query()
	answer.Set("iss", s.issuer.URL())
	if state := q.Get("state"); state != "" {
		answer.Set("state", state)
	}
	fail := func(code, description string) {
		answer.Set("error", code)
		answer.Set("error_description", description)
	}
	switch {
	case q.Get("response_type") != "code":
		fail("unsupported_response_type", "only code is supported")
	case q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43:
		fail("invalid_request", "PKCE with S256 is required")
	case !resourcesAllowed(q["resource"]):
		fail("invalid_target", "a resource is no absolute URI without a fragment")
	default:
		code, err := s.store.put(s.store.codes, grant{
			Client: c.ID, Redirect: q.Get("redirect_uri"), Challenge: q.Get("code_challenge"), Scope: q.Get("scope"),
			Resources: q["resource"], Expires: time.Now().Add(codeLifetime),
		})
		if err != nil {
			fail("temporarily_unavailable", err.Error())
			break
		}
		answer.Set("code", code)
	}
	to.RawQuery = answer.Encode()
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to.String(), http.StatusFound)
}
