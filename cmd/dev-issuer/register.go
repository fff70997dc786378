package main

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"slices"
	"time"
)

// register is dynamic client registration (RFC 7591 §3). Whatever a client says of itself comes back.
func (s *server) register(w http.ResponseWriter, r *http.Request) {
	var metadata map[string]any
	if json.NewDecoder(r.Body).Decode(&metadata) != nil || metadata == nil {
		refuse(w, http.StatusBadRequest, "invalid_client_metadata", "the body is not a JSON object")
		return
	}
	c := client{ID: "dev-" + rand.Text()}
	list, _ := metadata["redirect_uris"].([]any)
	for _, v := range list {
		raw, _ := v.(string)
		if !absoluteURI(raw) {
			refuse(w, http.StatusBadRequest, "invalid_redirect_uri", "a redirect URI is not an absolute URI without a fragment")
			return
		}
		c.Redirects = append(c.Redirects, raw)
	}
	method, _ := metadata["token_endpoint_auth_method"].(string)
	if method == "" {
		method = "none"
	}
	if !slices.Contains([]string{"none", "client_secret_post", "client_secret_basic"}, method) {
		refuse(w, http.StatusBadRequest, "invalid_client_metadata", "token_endpoint_auth_method is not supported")
		return
	}
	answer := map[string]any{"grant_types": []string{grantCode, grantRefresh}, "response_types": []string{"code"}}
	for k, v := range metadata {
		answer[k] = v
	}
	answer["client_id"], answer["client_id_issued_at"], answer["token_endpoint_auth_method"] = c.ID, time.Now().Unix(), method
	if method != "none" {
		c.Secret = rand.Text()
		answer["client_secret"], answer["client_secret_expires_at"] = c.Secret, 0
	}
	if err := s.store.addClient(c); err != nil {
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", err.Error())
		return
	}
	reply(w, http.StatusCreated, answer)
}
