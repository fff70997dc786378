package line

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// Visit has the user log in at an authorization URL, and returns what the authorization server adds to the redirect URI. The browser is
// a server, whose URL is in the environment.
func Visit(ctx context.Context, authorization string) (url.Values, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, os.Getenv("BROWSER")+"?visit="+url.QueryEscape(authorization), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the login failed: %s", body)
	}
	redirected, err := url.Parse(strings.TrimSpace(string(body)))
	if err != nil {
		return nil, err
	}
	query := redirected.Query()
	if code := query.Get("error"); code != "" {
		return nil, fmt.Errorf("the login failed: %s %s", code, query.Get("error_description"))
	}
	return query, nil
}
