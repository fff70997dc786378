package authz_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
)

// The steps of a decision, in order. The first one that has an objection gives the reason.
const (
	atTarget = iota
	atDocument
	atResource
	atPin
	atRoute
	atUsable
	atOrigin
	atPreflight
	atCredential
	atToken
	atUpgrade
	atMethod
	atScope
	atContext
	nowhere
)

// cell is one value of one dimension of the table: what it does to a request, and which step objects to it, and how.
type cell struct {
	name   string
	step   int
	reason authz.Reason
	value  string
}

func fine(name, value string) cell { return cell{name, nowhere, authz.Allowed, value} }

// TestNoAllowWithout is invariant 2, exhaustively: of all combinations of target, Origin, method, credential, verdict and
// context, those are allowed in which every single value is a good one, and no other. The reason of each refusal is that of the
// first step that objects, so that nobody learns of a later one.
func TestNoAllowWithout(t *testing.T) {
	const secret = "s3cr3t-t0k3n"
	targets := []cell{
		fine("the resource", github),
		fine("pinned", github+" pin "+github),
		fine("on its route", github+" route team/mcp"),
		fine("pinned, on its route", github+" pin "+github+" route team/mcp"),
		{"not canonical", atTarget, authz.NotCanonical, github + "//"},
		{"a document", atDocument, authz.Metadata, github + segment},
		{"unknown", atResource, authz.ResourceUnknown, "https://mcp.example.com/x"},
		{"pinned elsewhere", atPin, authz.ResourceMismatch, github + " pin " + solo},
		{"pinned elsewhere, on its route", atPin, authz.ResourceMismatch, github + " pin " + solo + " route team/mcp"},
		{"pinned elsewhere, on another route", atPin, authz.ResourceMismatch, github + " pin " + solo + " route evil/mcp"},
		{"on another route", atRoute, authz.RouteMismatch, github + " route evil/mcp"},
		{"pinned, on another route", atRoute, authz.RouteMismatch, github + " pin " + github + " route team/evil"},
		{"on a route that cannot be read", atRoute, authz.RouteMismatch, github + " route /"},
		{"unusable, on another route", atRoute, authz.RouteMismatch, solo + "/ route evil/mcp"},
		{"a document, on another route", atDocument, authz.Metadata, github + segment + " route evil/mcp"},
		{"unusable", atUsable, authz.ResourceUnusable, solo + "/"},
	}
	from := []cell{
		fine("no Origin", ""), fine("its own Origin", "https://mcp.example.com"), fine("a listed Origin", page),
		{"a foreign Origin", atOrigin, authz.OriginNotAllowed, evil},
		{"null", atOrigin, authz.OriginNotAllowed, "null"},
	}
	methods := []cell{
		fine("", "GET"), fine("", "HEAD"), fine("", "POST"), fine("", "DELETE"), fine("", "OPTIONS"),
		{"preflight", atPreflight, authz.Preflight, "OPTIONS"},
		{"upgrade", atUpgrade, authz.UpgradeRefused, "GET"},
		{"", atMethod, authz.MethodNotAllowed, "PUT"},
		{"", atMethod, authz.MethodNotAllowed, "get"},
		{"", atTarget, authz.NotCanonical, "CONNECT"},
	}
	credentials := []cell{
		fine("one token", "Bearer "+secret),
		{"none", atCredential, authz.NoCredential, ""},
		{"another scheme", atCredential, authz.NoCredential, "Basic " + secret},
		{"two", atCredential, authz.MultipleCredentials, "Bearer " + secret + ", Bearer " + secret},
		{"malformed", atCredential, authz.TokenMalformed, "Bearer " + secret + " " + secret},
	}
	verdicts := []struct {
		cell
		verify verifying
	}{
		{fine("good", ""), func() (authz.Claims, error) { return alice(), nil }},
		{cell{"no scope", atScope, authz.InsufficientScope, ""}, func() (authz.Claims, error) { return authz.Claims{Issuer: "x", Subject: "x"}, nil }},
		{cell{"expired", atToken, authz.TokenExpired, ""}, func() (authz.Claims, error) { return alice(), authz.TokenExpired }},
		{cell{"audience", atToken, authz.TokenAudience, ""}, func() (authz.Claims, error) { return alice(), authz.TokenAudience }},
		{cell{"no keys", atToken, authz.KeysUnavailable, ""}, func() (authz.Claims, error) { return alice(), authz.KeysUnavailable }},
		{cell{"never done", atToken, authz.KeysUnavailable, ""}, func() (authz.Claims, error) { return alice(), pending(nil) }},
		{cell{"an allow as an error", atToken, authz.VerifierFailed, ""}, func() (authz.Claims, error) { return alice(), authz.Allowed }},
		{cell{"an odd error", atToken, authz.VerifierFailed, ""}, func() (authz.Claims, error) { return alice(), errors.New(secret) }},
		{cell{"a panic", atToken, authz.Panicked, ""}, func() (authz.Claims, error) { panic(secret) }},
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	contexts := map[context.Context]cell{t.Context(): fine("", ""), over: {"canceled", atContext, authz.Canceled, ""}}

	allowed, mine := 0, authz.RouteRef{Namespace: "team", Name: "mcp"}
	for _, verdict := range verdicts {
		a := deciding(t, declare(t, github, scopes("a"), origins(page), verifier(verdict.verify), routes(mine)), declare(t, solo, unusable, routes(mine)))
		for _, target := range targets {
			for _, origin := range from {
				for _, method := range methods {
					for _, credential := range credentials {
						for ctx, end := range contexts {
							objects := method
							if method.reason == authz.Preflight && origin.value == "" {
								objects = fine("no preflight: no browser sent it", "OPTIONS")
							}
							want := first(target, origin, objects, credential, verdict.cell, end)
							d := a.Authorize(ctx, try(target, origin, method, credential))
							if d.Allowed() {
								allowed++
							}
							if d.Reason != want || d.Allowed() != (want == authz.Allowed) {
								t.Errorf("%v: %v, want %v", []string{target.name, origin.name, method.name, method.value, credential.name, verdict.name, end.name}, d.Reason, want)
							}
							if answer := d.Answer(); !d.Allowed() && (len(d.Upstream.Set) > 0 || strings.Contains(string(answer.Body), secret) || strings.Contains(field(answer, "www-authenticate"), secret)) {
								t.Errorf("%v: a refusal tells too much: %+v", d.Reason, d) // invariant 4
							}
						}
					}
				}
			}
		}
	}
	if allowed != 4*(3*5+1) { // targets × (origins × methods + the preflight that is none)
		t.Errorf("%d combinations are allowed", allowed)
	}
}

func try(target, origin, method, credential cell) *authz.Request {
	words := strings.Fields(target.value)
	r := request(method.value, words[0])
	for i := 1; i < len(words); i += 2 {
		if words[i] == "pin" {
			pinned(r, words[i+1])
			continue
		}
		namespace, name, _ := strings.Cut(words[i+1], "/")
		routed(r, authz.RouteRef{Namespace: namespace, Name: name})
	}
	add := func(name, value string) {
		if value != "" {
			r.Headers = append(r.Headers, authz.Header{Name: name, Value: value})
		}
	}
	add("origin", origin.value)
	add("authorization", credential.value)
	switch method.name {
	case "preflight":
		add("access-control-request-method", "POST")
	case "upgrade":
		add("upgrade", "websocket")
	}
	return r
}

// first is the reason of the first step that objects.
func first(cells ...cell) authz.Reason {
	found := fine("", "")
	for _, c := range cells {
		if c.step < found.step {
			found = c
		}
	}
	return found.reason
}
