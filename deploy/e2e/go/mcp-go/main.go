// Command mcp-go is a client on github.com/mark3labs/mcp-go, as its example of a client that logs in. A module of its own: nothing else
// here depends on that library.
package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/mark3labs/mcp-go/client"
	"github.com/mark3labs/mcp-go/client/transport"
	"github.com/mark3labs/mcp-go/mcp"

	"github.com/mcp-authz/mcp-authz/deploy/e2e/go/line"
)

// store is what an application keeps: the tokens, and the client that the library has registered.
type store struct {
	tokens             client.TokenStore
	id, secret, method string
}

type program struct {
	stores  map[string]*store
	store   *store // of the session
	session *client.Client
}

func main() {
	p := &program{stores: map[string]*store{}}
	line.Serve(p)
	_ = p.Close(context.Background())
}

// Connect asks for the scopes of the command: the library leaves them to the application, and reads neither the challenge nor the
// metadata for them.
func (p *program) Connect(ctx context.Context, to line.Target) (version string, err error) {
	if p.store = p.stores[to.Store]; p.store == nil {
		p.store = &store{tokens: client.NewMemoryTokenStore()}
		p.stores[to.Store] = p.store
	}
	if to.Client != nil {
		p.store.id, p.store.secret = to.Client.ID, to.Client.Secret
	}
	session, err := client.NewOAuthStreamableHttpClient(to.URL, client.OAuthConfig{
		ClientID:                p.store.id,
		ClientSecret:            p.store.secret,
		TokenEndpointAuthMethod: p.store.method,
		RedirectURI:             line.Redirect,
		Scopes:                  to.Scopes,
		TokenStore:              p.store.tokens,
		PKCEEnabled:             true,
	})
	if err != nil {
		return "", err
	}
	if err := session.Start(context.Background()); err != nil { // the session outlives the command
		return "", err
	}
	ask := mcp.InitializeRequest{}
	ask.Params.ProtocolVersion = mcp.LATEST_PROTOCOL_VERSION
	ask.Params.ClientInfo = mcp.Implementation{Name: "mcp-go", Version: "1.0.0"}
	result, err := authorized(ctx, p, func() (*mcp.InitializeResult, error) { return session.Initialize(ctx, ask) })
	if err != nil {
		_ = session.Close()
		return "", err
	}
	p.session = session
	return result.ProtocolVersion, nil
}

// authorized does something, and if the library asks for a login it has the user log in and does it once more.
func authorized[Result any](ctx context.Context, p *program, do func() (Result, error)) (Result, error) {
	result, err := do()
	if !client.IsOAuthAuthorizationRequiredError(err) {
		return result, err
	}
	if err := p.logIn(ctx, client.GetOAuthHandler(err)); err != nil {
		return result, err
	}
	return do()
}

func (p *program) logIn(ctx context.Context, handler *transport.OAuthHandler) error {
	verifier, err := client.GenerateCodeVerifier()
	if err != nil {
		return err
	}
	state, err := client.GenerateState()
	if err != nil {
		return err
	}
	if handler.GetClientID() == "" {
		if err := handler.RegisterClient(ctx, "mcp-go"); err != nil {
			return err
		}
		p.store.id, p.store.secret, p.store.method = handler.GetClientID(), handler.GetClientSecret(), handler.GetTokenEndpointAuthMethod()
	}
	authorization, err := handler.GetAuthorizationURL(ctx, state, client.GenerateCodeChallenge(verifier))
	if err != nil {
		return err
	}
	query, err := line.Visit(ctx, authorization)
	if err != nil {
		return err
	}
	if query.Get("state") != state {
		return errors.New("the state is not ours")
	}
	return handler.ProcessAuthorizationResponse(ctx, query.Get("code"), state, verifier)
}

func (p *program) List(ctx context.Context) (tools []string, err error) {
	if p.session == nil {
		return nil, line.ErrNotConnected
	}
	result, err := authorized(ctx, p, func() (*mcp.ListToolsResult, error) { return p.session.ListTools(ctx, mcp.ListToolsRequest{}) })
	if err != nil {
		return nil, err
	}
	for _, tool := range result.Tools {
		tools = append(tools, tool.Name)
	}
	return tools, nil
}

func (p *program) Call(ctx context.Context, tool string, arguments map[string]any) (string, error) {
	if p.session == nil {
		return "", line.ErrNotConnected
	}
	ask := mcp.CallToolRequest{}
	ask.Params.Name, ask.Params.Arguments = tool, arguments
	result, err := authorized(ctx, p, func() (*mcp.CallToolResult, error) { return p.session.CallTool(ctx, ask) })
	if err != nil {
		return "", err
	}
	text := ""
	if len(result.Content) > 0 {
		if first, ok := mcp.AsTextContent(result.Content[0]); ok {
			text = first.Text
		}
	}
	if result.IsError {
		return "", errors.New(text)
	}
	return text, nil
}

func (p *program) Close(context.Context) error {
	if p.session == nil {
		return nil
	}
	session := p.session
	p.session = nil
	if err := session.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return nil
}
