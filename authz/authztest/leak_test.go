package authztest_test

import (
	"encoding/base64"
	"strings"
	"testing"

	authv3 "github.com/envoyproxy/go-control-plane/envoy/service/auth/v3"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// TestLeak: B-38: every way to say a token is found, and whatever is none is not.
func TestLeak(t *testing.T) {
	issuer := authztest.NewIssuer("https://idp.example.com")
	token := issuer.Mint(map[string]any{"aud": "https://mcp.example.com/mcp"})
	parts := strings.Split(token, ".")
	header, payload, signature := parts[0], parts[1], parts[2]
	for name, said := range map[string]string{
		"all of it":                 token,
		"in a line":                 `{"msg":"decision","token":"` + token + `"}`,
		"the header":                header,
		"the payload":               "x" + payload + "y",
		"the signature":             signature,
		"the beginning":             token[:16] + "…",
		"the end":                   "…" + token[len(token)-16:],
		"the beginning of a part":   "sig=" + signature[:16] + "...",
		"32 characters of wherever": payload[5:37],
		"the key id":                "kid " + issuer.Current().ID,
		"most of the key id":        issuer.Current().ID[:16],
	} {
		if authztest.Leak(said) == "" {
			t.Errorf("%s is not found", name)
		}
	}
	claims, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		t.Fatal(err)
	}
	for name, said := range map[string]string{
		"the claims":            string(claims),
		"another token's place": `Bearer resource_metadata="https://mcp.example.com/.well-known/oauth-protected-resource/github/mcp"`,
		"a decision id":         `{"decision":"0123456789abcdef"}`,
		"few characters":        payload[3:12],
		"nothing":               "",
	} {
		if piece := authztest.Leak(said); piece != "" {
			t.Errorf("%s: %q is taken for a piece of a token", name, piece)
		}
	}
}

// TestVerdictsLeakNothing: a response that says a token cannot be read.
func TestVerdictsLeakNothing(t *testing.T) {
	token := authztest.NewIssuer("https://idp.example.com").Mint(nil)
	defer func() {
		if recover() == nil {
			t.Error("the response was read")
		}
	}()
	authztest.ReadVerdict(&authv3.CheckResponse{HttpResponse: &authv3.CheckResponse_DeniedResponse{DeniedResponse: &authv3.DeniedHttpResponse{Body: "not " + token[40:90]}}})
}
