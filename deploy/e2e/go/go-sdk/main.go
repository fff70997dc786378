// Command go-sdk is a client on the official Go SDK, as its example of a client that logs in. A module of its own: nothing else here
// depends on that library.
package main

import (
	"context"
	"errors"

	"github.com/modelcontextprotocol/go-sdk/auth"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/mcp-authz/mcp-authz/deploy/e2e/go/line"
)

type client struct {
	stores  map[string]auth.OAuthHandler // what keeps tokens is the library's handler
	session *mcp.ClientSession
}

func main() {
	c := &client{stores: map[string]auth.OAuthHandler{}}
	line.Serve(c)
	_ = c.Close(context.Background())
}

func (c *client) Connect(ctx context.Context, to line.Target) (version string, err error) {
	handler, known := c.stores[to.Store]
	if !known {
		if handler, err = newHandler(to.Client); err != nil {
			return "", err
		}
		c.stores[to.Store] = handler
	}
	session, err := mcp.NewClient(&mcp.Implementation{Name: "go-sdk", Version: "1.0.0"}, nil).
		Connect(ctx, &mcp.StreamableClientTransport{Endpoint: to.URL, OAuthHandler: handler}, nil)
	if err != nil {
		return "", err
	}
	c.session = session
	return session.InitializeResult().ProtocolVersion, nil
}

// newHandler makes what logs in. The refresh tokens that a desktop application wants have to be asked for: by RequestRefreshToken of
// the authorization server, by GrantTypes at the registration.
func newHandler(registered *line.Credentials) (auth.OAuthHandler, error) {
	config := &auth.AuthorizationCodeHandlerConfig{RedirectURL: line.Redirect, AuthorizationCodeFetcher: visit, RequestRefreshToken: true}
	if registered == nil {
		config.DynamicClientRegistrationConfig = &auth.DynamicClientRegistrationConfig{Metadata: &oauthex.ClientRegistrationMetadata{
			ClientName:              "go-sdk",
			RedirectURIs:            []string{line.Redirect},
			GrantTypes:              []string{"authorization_code", "refresh_token"},
			TokenEndpointAuthMethod: "none", // it keeps no secret, on whosever machine it runs
		}}
		return auth.NewAuthorizationCodeHandler(config)
	}
	config.PreregisteredClient = &oauthex.ClientCredentials{ClientID: registered.ID}
	if registered.Secret != "" {
		config.PreregisteredClient.ClientSecretAuth = &oauthex.ClientSecretAuth{ClientSecret: registered.Secret}
	}
	return auth.NewAuthorizationCodeHandler(config)
}

func visit(ctx context.Context, args *auth.AuthorizationArgs) (*auth.AuthorizationResult, error) {
	query, err := line.Visit(ctx, args.URL)
	if err != nil {
		return nil, err
	}
	return &auth.AuthorizationResult{Code: query.Get("code"), State: query.Get("state"), Iss: query.Get("iss")}, nil
}

func (c *client) List(ctx context.Context) (tools []string, err error) {
	if c.session == nil {
		return nil, line.ErrNotConnected
	}
	result, err := c.session.ListTools(ctx, nil)
	if err != nil {
		return nil, err
	}
	for _, tool := range result.Tools {
		tools = append(tools, tool.Name)
	}
	return tools, nil
}

func (c *client) Call(ctx context.Context, tool string, arguments map[string]any) (string, error) {
	if c.session == nil {
		return "", line.ErrNotConnected
	}
	result, err := c.session.CallTool(ctx, &mcp.CallToolParams{Name: tool, Arguments: arguments})
	if err != nil {
		return "", err
	}
	text := ""
	if len(result.Content) > 0 {
		if first, ok := result.Content[0].(*mcp.TextContent); ok {
			text = first.Text
		}
	}
	if result.IsError {
		return "", errors.New(text)
	}
	return text, nil
}

func (c *client) Close(context.Context) error {
	if c.session == nil {
		return nil
	}
	session := c.session
	c.session = nil
	return session.Close()
}
