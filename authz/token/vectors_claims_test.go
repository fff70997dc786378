package token_test

import (
	"encoding/json"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
)

func issuerVectors() []vector {
	iss := func(v any) edit { return claim("iss", v) }
	return []vector{
		deny("B-10 a slash more", authz.TokenIssuer, iss(corpURL+"/")),
		deny("B-10 another case", authz.TokenIssuer, iss("https://IDP.example.com/realms/mcp")),
		deny("B-10 the default port", authz.TokenIssuer, iss("https://idp.example.com:443/realms/mcp")),
		deny("B-10 escaped", authz.TokenIssuer, iss("https://idp.example.com/realms/%6dcp")),
		deny("B-10 a prefix", authz.TokenIssuer, iss("https://idp.example.com/realms/")),
		deny("B-10 longer", authz.TokenIssuer, iss(corpURL+"2")),
		deny("B-10 http", authz.TokenIssuer, iss("http://idp.example.com/realms/mcp")),
		deny("B-10 missing", authz.TokenIssuer, without("iss")),
		deny("B-10 empty", authz.TokenIssuer, iss("")),
		deny("B-10 null", authz.TokenIssuer, iss(nil)),
		deny("B-10 a list", authz.TokenIssuer, iss([]string{corpURL})),
		deny("B-11 corp's name, the other's key of the same id", authz.TokenSignature, by(foreignEC())),
		deny("B-11 the same where both are named", authz.TokenSignature, on("both"), by(foreignEC())),
		deny("B-11 the other's name, corp's key", authz.TokenSignature, on("both"), by(ecKey()), iss(otherURL)),
		deny("B-11 the other's name, a key that corp alone has", authz.TokenKeyUnknown, on("both"), iss(otherURL)),
		allow("B-11 the other where both are named, C-27", on("both"), fromOther),
		allow("B-11 corp where both are named, C-27", on("both")),
		deny("B-11 another declaration of corp's name", authz.TokenSignature, on("twin"), by(ecKey())),
		allow("B-11 that declaration's own key", on("twin"), by(foreignEC())),
		deny("B-31 a good token of an issuer that is not named here", authz.TokenIssuer, fromOther),
		allow("B-31 the same where it is named", on("slack"), fromOther),
		deny("B-31 corp where the other is named", authz.TokenIssuer, on("slack")),
		deny("B-31 where nobody is named", authz.TokenIssuer, on("nobody")),
		deny("D-11 an address of cloud metadata", authz.TokenIssuer, iss("http://169.254.169.254/")),
	}
}

func audienceVectors() []vector {
	const r, r2 = "https://mcp.example.com/github/mcp", "https://mcp.example.com/origin/mcp"
	refused := func(name string, v any) vector { return deny(name, authz.TokenAudience, audience(v)) }
	accepted := func(name string, v any) vector { return allow(name, audience(v)) }
	listed := on("cognito")
	return []vector{
		refused("B-12 another resource", r2),
		refused("B-12 somebody else", "https://other.example.com"),
		refused("B-12 the client", "client-1"),
		refused("B-12 the issuer", corpURL),
		refused("B-12 a prefix", r[:len(r)-1]),
		refused("B-12 a suffix", r[1:]),
		refused("B-12 longer", r+"x"),
		refused("B-12 a path below", r+"/x"),
		refused("B-12 the host alone", "https://mcp.example.com"),
		refused("B-12 a star", "*"),
		refused("B-12 blanks around it", " "+r+" "),
		refused("B-12 two in one text", r+" "+r2),
		deny("B-13 missing", authz.TokenAudience, without("aud"), audienceOmitted),
		refused("B-13 null", nil),
		refused("B-13 an empty text", ""),
		refused("B-13 an empty list", []string{}),
		refused("B-13 a list of null", []any{nil}),
		refused("B-13 a list of an empty text", []string{""}),
		refused("B-13 a number", 7),
		refused("B-13 true", true),
		refused("B-13 an object", object{r: true}),
		refused("B-13 a list in a list", []any{[]string{r}}),
		refused("B-13 a number beside it", []any{r, 7}),
		accepted("B-14 one text", r),
		accepted("B-14 a list of one", []string{r}),
		accepted("B-14 a list of several", []string{"x", r, "y"}),
		allow("B-14 escaped in JSON", payload(replaced("/github/", `/\u0067ithub/`))),
		allow("B-14 slashes escaped in JSON", payload(replaced("/", `\/`))),
		accepted("B-14 composed", "api://caf\u00e9"),
		refused("B-14 decomposed", "api://cafe\u0301"),
		accepted("B-15 upper-case scheme and host", "HTTPS://MCP.EXAMPLE.COM/github/mcp"),
		accepted("B-15 one slash more", r+"/"),
		refused("B-15 two slashes more", r+"//"),
		refused("B-15 upper-case path", "https://mcp.example.com/github/MCP"),
		refused("B-15 the default port", "https://mcp.example.com:443/github/mcp"),
		refused("B-15 a query", r+"?x=1"),
		refused("B-15 escaped", "https://mcp.example.com/%67ithub/mcp"),
		refused("B-15 http", "http://mcp.example.com/github/mcp"),
		allow("B-15 origin", on("origin")),
		allow("B-15 origin with a slash", on("origin"), audience("https://solo.example.com/")),
		deny("B-15 origin with a path", authz.TokenAudience, on("origin"), audience("https://solo.example.com/x")),
		accepted("B-16 a declared audience", "api://github"),
		deny("B-16 the same where it is not declared", authz.TokenAudience, on("origin"), audience("api://github")),
		refused("B-16 a declared audience in another case", "API://github"),
		refused("B-16 a declared audience with a slash", "api://github/"),
		accepted("B-16 several resources", []string{r, r2}),

		allow("B-13 no audience, a listed client", listed, audienceOmitted),
		allow("B-13 no audience, a listed client as azp", listed, audienceOmitted, without("client_id"), claim("azp", "client-1")),
		deny("B-13 no audience, another client", authz.TokenAudience, listed, audienceOmitted, claim("client_id", "client-2")),
		deny("B-13 no audience, another client_id beside the azp", authz.TokenAudience, listed, audienceOmitted, claim("client_id", "client-2"), claim("azp", "client-1")),
		deny("B-13 no audience, another client_id after the azp", authz.TokenAudience, listed, audienceOmitted, without("client_id"), payload(first(`"azp":"client-1","client_id":"client-2"`))),
		deny("B-13 no audience, no client", authz.TokenAudience, listed, audienceOmitted, without("client_id")),
		deny("B-13 a wrong audience, a listed client", authz.TokenAudience, listed, audience(r)),
		deny("B-13 a null audience, a listed client", authz.TokenAudience, listed, audience(nil)),
		deny("B-13 an empty audience, a listed client", authz.TokenAudience, listed, audience([]string{})),
		deny("B-13 an empty text, a listed client", authz.TokenAudience, listed, audience("")),
		deny("B-13 a number, a listed client", authz.TokenAudience, listed, audience(7)),
		deny("B-13 the client as audience, a listed client", authz.TokenAudience, listed, audience("client-1")),
		deny("B-13 no audience, a listed client, where none is listed", authz.TokenAudience, audienceOmitted),
	}
}

// audienceOmitted says that the missing audience is meant.
func audienceOmitted(d *draft) { without("aud")(d) }

func timeVectors() []vector {
	now := time.Now()
	at := func(d time.Duration) int64 { return now.Add(d).Unix() }
	exp := func(v any) edit { return claim("exp", v) }
	number := func(s string) json.RawMessage { return json.RawMessage(s) }
	odd := func(name string, edits ...edit) vector { return deny(name, authz.TokenClaims, edits...) }
	return []vector{
		deny("B-17 past", authz.TokenExpired, exp(at(-time.Hour))),
		deny("B-17 past beyond the leeway", authz.TokenExpired, exp(at(-leeway-time.Second))),
		allow("B-17 past within the leeway", exp(at(-5*time.Second))),
		allow("B-17 soon", exp(at(time.Minute))),
		deny("B-17 zero", authz.TokenExpired, exp(0)),
		allow("B-17 the last second of 9999", exp(number("253402300799"))),
		odd("B-17 the year 10000", exp(number("253402300800"))),
		odd("B-18 missing", without("exp")),
		odd("B-18 null", exp(nil)),
		odd("B-19 exp is a text", exp("1893456000")),
		odd("B-19 exp overflows", exp(number("1e400"))),
		odd("B-19 exp is negative", exp(-1)),
		odd("B-19 exp is true", exp(true)),
		odd("B-19 exp is a list", exp([]int64{at(time.Hour)})),
		allow("B-19 exp has a fraction", exp(number("1893456000.5"))),
		allow("B-19 exp has an exponent", exp(number("1.893456e9"))),
		deny("B-19 nbf beyond the leeway", authz.TokenNotYetValid, claim("nbf", at(leeway+10*time.Second))),
		allow("B-19 nbf within the leeway", claim("nbf", at(5*time.Second))),
		allow("B-19 nbf past", claim("nbf", at(-time.Hour))),
		odd("B-19 nbf is a text", claim("nbf", "1")),
		odd("B-19 nbf is negative", claim("nbf", -1)),
		odd("B-19 nbf overflows", claim("nbf", number("1e400"))),
		odd("B-19 nbf is null", claim("nbf", nil)),
		deny("B-20 iat in an hour", authz.TokenNotYetValid, claim("iat", at(time.Hour))),
		allow("B-20 iat within the leeway", claim("iat", at(5*time.Second))),
		odd("B-20 iat is a text", claim("iat", "1")),
		odd("B-20 iat is null", claim("iat", nil)),
		allow("B-20 no iat", without("iat")),
		allow("B-20 no jti, no client_id", without("jti"), without("client_id")),
		allow("B-20 no sub", without("sub")),
		odd("B-20 sub is a number", claim("sub", 7)),
		odd("B-20 sub is null", claim("sub", nil)),
		odd("B-20 client_id is a list", claim("client_id", []string{"client-1"})),
	}
}

func scopeVectors() []vector {
	grants := func(name, scope string) vector { return allow(name, on("scoped"), claim("scope", scope)) }
	lacks := func(name string, edits ...edit) vector {
		return allow(name, append(edits, checked(authz.InsufficientScope))...)
	}
	scope := func(v any) edit { return claim("scope", v) }
	scp := func(v any) edit { return claim("scp", v) }
	need, roles := on("scoped"), on("roles")
	return []vector{
		grants("B-22 alone", "repo:read"),
		grants("B-22 among others", "b repo:read a"),
		grants("B-22 among blanks", "  repo:read  a "),
		lacks("B-22 longer", need, scope("repo:readonly")),
		lacks("B-22 another case", need, scope("Repo:read")),
		lacks("B-22 a suffix", need, scope("xrepo:read")),
		lacks("B-22 separated by commas", need, scope("repo:read,a")),
		lacks("B-22 separated by tabs", need, scope("repo:read\ta")),
		allow("B-22 scope as a list", need, scope([]string{"a", "repo:read"})),
		lacks("B-22 a blank within a member of a list", need, scope([]string{"a repo:read"})),
		allow("B-22 scp as a list", need, scp([]string{"repo:read"})),
		allow("B-22 scp as a text", need, scp("a repo:read")),
		lacks("B-22 scope counts, not scp", need, scope("a"), scp("repo:read")),
		lacks("B-22 scope counts, not scp before it", need, payload(first(`"scp":"repo:read","scope":"a"`))),
		allow("B-22 scope counts, whatever scp after it is", need, payload(last(`"scope":"repo:read","scp":7`))),
		allow("B-22 scope counts, whatever scp before it is", need, payload(first(`"scp":7,"scope":"repo:read"`))),
		lacks("B-22 an empty scope counts, not scp", need, scope(""), scp("repo:read")),
		allow("B-22 the claim that is declared", roles, claim("roles", []string{"repo:read"})),
		lacks("B-22 scope where another claim is declared", roles, scope("repo:read")),
		lacks("B-22 scope and scp where another claim is declared", roles, scope("repo:read"), scp("repo:read"), claim("roles", "a")),
		allow("B-22 an odd scope where another claim is declared", roles, scope(7), claim("roles", "repo:read")),
		deny("B-22 the claim that is declared is a number", authz.TokenClaims, roles, claim("roles", 7)),
		deny("B-22 scope is a number", authz.TokenClaims, need, scope(7)),
		deny("B-22 scope is null", authz.TokenClaims, need, scope(nil)),
		deny("B-22 scope is an object", authz.TokenClaims, need, scope(object{"repo:read": true})),
		deny("B-22 scope is a list with a number", authz.TokenClaims, need, scope([]any{"repo:read", 7})),
		deny("B-22 scp is a number", authz.TokenClaims, need, scp(7)),
		lacks("B-23 no scope", need),
		allow("B-23 no scope where none is needed"),
		lacks("B-23 an empty scope", need, scope("")),
		lacks("B-23 an empty list", need, scp([]string{})),
	}
}
