package v1alpha1_test

import (
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// server is the least that a ClusterAuthorizationServer says.
var server = values{"issuer": "https://idp.example.com"}

// Every limit of a ClusterAuthorizationServer at its border and one beyond, and every rule.
func TestClusterAuthorizationServer(t *testing.T) {
	issuer := func(s string) values { return values{"issuer": s} }
	keys := func(s string) values { return values{"jwksURL": s} }
	times := func(refresh, stale string) values {
		return values{"refreshInterval": refresh, "maxStaleness": stale}
	}
	k := readKinds(t)["ClusterAuthorizationServer"]
	checkRows(t, k, server, []row{
		good("the least", nil),
		good("everything", values{
			"jwksURL": "https://idp.example.com/keys?a=b", "algorithms": []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"},
			"accessTokenType": "at+jwt", "scopeClaim": "roles", "leeway": "0s", "refreshInterval": "1m", "maxStaleness": "1h30m",
		}),
		good("keys inline", values{"jwks": values{"keys": []values{{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}}}),

		bad("no issuer", "spec.issuer", "spec.issuer", issuer("")),
		good("an issuer with a path, a port and a slash at the end", issuer("https://idp.example.com:8443/realms/corp/")),
		good("an issuer with an escape", issuer("https://idp.example.com/a%20b")),
		good("an issuer in upper case", issuer("HTTPS://IDP.example.com")),
		good("an issuer of 2048", issuer("https://a.example/"+long(2030))),
		less("an issuer of 2049", "spec.issuer", "in the cluster at most 2048", issuer("https://a.example/"+long(2031))),
		bad("a plain issuer", "spec", "spec.issuer", issuer("http://idp.example.com")),
		bad("a plain issuer on loopback", "spec", "spec.issuer", issuer("http://localhost:8080")),
		bad("an issuer with a query", "spec", "spec.issuer", issuer("https://idp.example.com?tenant=a")),
		bad("an issuer with an empty query", "spec", "spec.issuer", issuer("https://idp.example.com?")),
		bad("an issuer with a fragment", "spec", "spec.issuer", issuer("https://idp.example.com#a")),
		bad("an issuer that is no URL", "spec", "spec.issuer", issuer("corp")),
		bad("an issuer of another scheme", "spec", "spec.issuer", issuer("urn:corp")),
		late("an issuer with user information", "spec.issuer", issuer("https://me:secret@idp.example.com")),
		late("an issuer without a host", "spec.issuer", issuer("https:///a")),
		late("an issuer beyond ASCII", "spec.issuer", issuer("https://idp.example.com/é")),
		late("an issuer on loopback", "spec.issuer", issuer("https://localhost")),
		late("an issuer below localhost", "spec.issuer", issuer("https://idp.localhost:8443/a")),
		late("an issuer on loopback by address", "spec.issuer", issuer("https://127.1.2.3")),
		late("an issuer on loopback by IPv6 address", "spec.issuer", issuer("https://[::1]")),

		good("jwksURL on another host", keys("https://keys.example.net/jwks")),
		less("no jwksURL, spelled out", "spec", "", keys("")),
		good("a jwksURL of 2048", keys("https://a.example/"+long(2030))),
		less("a jwksURL of 2049", "spec.jwksURL", "in the cluster at most 2048", keys("https://a.example/"+long(2031))),
		bad("a plain jwksURL", "spec", "spec.jwksURL", keys("http://idp.example.com/keys")),
		bad("a jwksURL of a file", "spec", "spec.jwksURL", keys("file:///etc/passwd")),
		bad("a jwksURL with a fragment", "spec", "spec.jwksURL", keys("https://idp.example.com/keys#a")),
		late("a jwksURL with user information", "spec.jwksURL", keys("https://me@idp.example.com/keys")),
		late("a jwksURL on loopback", "spec.jwksURL", keys("https://localhost:10259/metrics")),
		bad("jwks beside jwksURL", "spec", "spec.jwks", values{"jwks": values{"keys": []any{}}, "jwksURL": "https://idp.example.com/keys"}),
		bad("jwks as text", "spec.jwks", "spec.jwks", values{"jwks": `{"keys":[]}`}),
		bad("jwks as a list", "spec.jwks", "spec.jwks", values{"jwks": []any{}}),
		late("jwks deeper than keys are", "spec.jwks.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a", values{"jwks": nested(18)}),

		bad("no algorithm", "spec.algorithms", "spec.algorithms", values{"algorithms": []string{}}),
		bad("none", "spec.algorithms[0]", "spec.algorithms[0]", values{"algorithms": []string{"none"}}),
		bad("a symmetric algorithm", "spec.algorithms[0]", "spec.algorithms[0]", values{"algorithms": []string{"HS256"}}),
		bad("an algorithm in lower case", "spec.algorithms[0]", "spec.algorithms[0]", values{"algorithms": []string{"rs256"}}),
		less("an algorithm twice", "spec.algorithms[1]", set, values{"algorithms": []string{"RS256", "RS256"}}),
		bad("another accessTokenType", "spec.accessTokenType", "spec.accessTokenType", values{"accessTokenType": "JWT"}),
		bad("no accessTokenType, spelled out", "spec.accessTokenType", "spec.accessTokenType", values{"accessTokenType": ""}),
		good("no scopeClaim, spelled out", values{"scopeClaim": ""}),
		good("a scopeClaim of 256", values{"scopeClaim": long(256)}),
		less("a scopeClaim of 257", "spec.scopeClaim", "in the cluster at most 256", values{"scopeClaim": long(257)}),

		good("the longest leeway", values{"leeway": "2m"}),
		bad("a leeway too long", "spec", "spec.leeway", values{"leeway": "2m0.001s"}),
		bad("a leeway below nothing", "spec.leeway", "spec.leeway", values{"leeway": "-1s"}),
		bad("a leeway that is a number", "spec.leeway", "spec.leeway", values{"leeway": 30}),
		bad("a leeway without a unit", "spec.leeway", "spec.leeway", values{"leeway": "30"}),
		bad("a leeway in days", "spec.leeway", "spec.leeway", values{"leeway": "1d"}),
		bad("an empty leeway", "spec.leeway", "spec.leeway", values{"leeway": ""}),
		good("small units", values{"leeway": "1s2ms3us4µs5ns"}),
		less("no leeway without a unit", "spec.leeway", "", values{"leeway": "0"}),
		less("a leeway with a sign", "spec.leeway", "", values{"leeway": "+1s"}),
		less("a leeway that begins with a point", "spec.leeway", "", values{"leeway": ".5s"}),
		bad("a leeway that no clock shows", "spec", "spec.leeway", values{"leeway": "9999999999999999999h"}),
		good("the shortest refreshInterval", times("10s", "70s")),
		bad("a refreshInterval too short", "spec", "spec.refreshInterval", times("9.999s", "70s")),
		good("the longest refreshInterval", times("24h", "24h1m")),
		bad("a refreshInterval too long", "spec", "spec.refreshInterval", times("24h0.001s", "48h")),
		bad("a maxStaleness too short", "spec", "spec.maxStaleness", times("10s", "69.999s")),
		bad("a maxStaleness too short for the default refreshInterval", "spec", "spec.maxStaleness", values{"maxStaleness": "10m59s"}),
		good("a maxStaleness just long enough for the default refreshInterval", values{"maxStaleness": "11m"}),
		bad("a refreshInterval too long for the default maxStaleness", "spec", "spec.maxStaleness", values{"refreshInterval": "23h59m1s"}),
		good("the longest maxStaleness", values{"maxStaleness": "168h"}),
		bad("a maxStaleness too long", "spec", "spec.maxStaleness", values{"maxStaleness": "168h0.001s"}),
	})

	for name, at := range map[string]string{long(63): "", "a.b-c": "", long(64): "<nil>"} {
		t.Run("a name of "+name, func(t *testing.T) {
			checkRefusal(t, k.admit(k.object(t, name, over(server, nil)), nil), at)
		})
	}
	object := k.object(t, "corp", over(server, values{"jwks": values{"keys": list(spec.MaxObjectBytes>>10, func(int) string { return long(1 << 10) })}}))
	checkProblems(t, errorsOf(object), "spec") // an API server has its own limit, which is higher
}

func nested(depth int) any {
	if depth == 0 {
		return values{}
	}
	return values{"a": nested(depth - 1)}
}
