package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/mcp-authz/mcp-authz/deploy/e2e/go/line"
)

// parameter is a parameter of a challenge, as one finds it with sed.
func parameter(challenge, name string) string {
	if m := regexp.MustCompile(`\b` + name + `="([^"]*)"`).FindStringSubmatch(challenge); m != nil {
		return m[1]
	}
	return ""
}

// logIn follows a challenge that has resource_metadata: to the metadata of the resource, to that of its authorization server, to a token.
func logIn(ctx context.Context, as line.Credentials, challenge string) (token string, err error) {
	at := parameter(challenge, "resource_metadata")
	var resource struct {
		Resource             string
		AuthorizationServers []string `json:"authorization_servers"`
	}
	if err := document(ctx, &resource, at); err != nil {
		return "", err
	}
	if len(resource.AuthorizationServers) == 0 {
		return "", fmt.Errorf("%s names no authorization server", at)
	}
	var server struct {
		TokenEndpoint string `json:"token_endpoint"`
	}
	if err := serverMetadata(ctx, &server, resource.AuthorizationServers[0]); err != nil {
		return "", err
	}
	args := []string{"--data-urlencode", "grant_type=client_credentials", "--data-urlencode", "resource=" + resource.Resource}
	if as.Secret != "" {
		args = append(args, "--user", url.QueryEscape(as.ID)+":"+url.QueryEscape(as.Secret)) // RFC 6749 §2.3.1
	} else {
		args = append(args, "--data-urlencode", "client_id="+as.ID)
	}
	if scope := parameter(challenge, "scope"); scope != "" {
		args = append(args, "--data-urlencode", "scope="+scope)
	}
	var got struct {
		AccessToken string `json:"access_token"`
	}
	if err := document(ctx, &got, append(args, server.TokenEndpoint)...); err != nil {
		return "", err
	}
	return got.AccessToken, nil
}

// serverMetadata is RFC 8414's document, or else the older one of OpenID Connect Discovery.
func serverMetadata(ctx context.Context, into any, issuer string) error {
	u, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	path := strings.TrimSuffix(u.Path, "/")
	u.Path = "/.well-known/oauth-authorization-server" + path
	if err = document(ctx, into, u.String()); err == nil {
		return nil
	}
	u.Path = path + "/.well-known/openid-configuration"
	return document(ctx, into, u.String())
}

// document is a JSON text that a server answers.
func document(ctx context.Context, into any, args ...string) error {
	answer, err := curl(ctx, args...)
	if err != nil {
		return err
	}
	if at := args[len(args)-1]; answer.status != 200 {
		return fmt.Errorf("%s: %w", at, answer.refusal())
	}
	return json.Unmarshal([]byte(answer.body), into)
}
