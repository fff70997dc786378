package authz_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz"
)

// gullible is a Verifier that takes every token and remembers it, so that the reason is that of the credential alone.
type gullible struct{ heard []string }

func (g *gullible) Verify(token string, _ authz.Expectation, _ time.Time) (authz.Claims, error) {
	g.heard = append(g.heard, token)
	return authz.Claims{Issuer: "https://idp.example", Subject: "alice"}, nil
}

// present has a request judged, and says of which tokens the verifier was asked.
func present(t testing.TB, r *authz.Request) (d authz.Decision, heard string) {
	t.Helper()
	var v gullible
	d = judge(t, deciding(t, declare(t, github, verifier(&v))), r)
	return d, strings.Join(v.heard, " ")
}

// TestCredential says for every way of writing a credential what it comes to: which token is judged, or why none is.
func TestCredential(t *testing.T) {
	const none, two, malformed = authz.NoCredential, authz.MultipleCredentials, authz.TokenMalformed
	longest := strings.Repeat("a", limits().TokenBytes)
	type row struct {
		rule   string
		header []string // names and values in turn
		token  string   // what the verifier is asked about
		reason authz.Reason
	}
	allow := func(rule, token string, values ...string) row { return row{rule, fields(values), token, authz.Allowed} }
	deny := func(reason authz.Reason, rule string, values ...string) row {
		return row{rule, fields(values), "", reason}
	}
	for _, c := range []row{
		allow("the scheme as it is written", "a.b-c_d~e+f/g==", "Bearer a.b-c_d~e+f/g=="),
		allow("B-32 lower case", "T", "bearer T"),
		allow("B-32 upper case", "T", "BEARER T"),
		allow("B-32 any case", "T", "bEaReR T"),
		allow("B-33 two blanks", "T", "Bearer  T"),
		allow("white space around the value is not part of it", "T", " \tBearer T\t "),
		allow("one byte", "/", "Bearer /"),
		allow("the longest", longest, "Bearer "+longest),
		{"another field that holds one too", []string{"proxy-authorization", "Bearer X", "authorization", "Bearer T", "x-authorization", "Bearer Y"}, "T", authz.Allowed},

		deny(none, "no field"),
		deny(none, "an empty value", ""),
		deny(none, "blanks", "  "),
		deny(none, "the scheme alone", "Bearer"),
		deny(none, "the scheme and blanks", "Bearer   "),
		deny(none, "B-33 the scheme glued to the token", "BearerT"),
		deny(none, "B-33 a tab", "Bearer\tT"),
		deny(none, "B-33 a line break", "Bearer\r\n T"),
		deny(none, "the token alone", "T"),
		deny(none, "another scheme that begins alike", "Bearers T"),
		deny(none, "A-05 Basic", "Basic eDp5"),
		deny(none, "A-05 Digest", `Digest username="x", realm="y", response="z"`),
		deny(none, "A-05 Negotiate", "Negotiate YII="),
		deny(none, "A-05 DPoP", "DPoP T"),
		deny(none, "a comma in another scheme", "Basic a,b"),
		deny(none, "the word inside a value of another scheme", `Digest username="x bearer y", nonce="Bearer"`),
		deny(none, "two fields, neither of them ours", "Basic eDp5", "Digest a"),
		deny(none, "two empty fields", "", ""),

		deny(malformed, "A-11 two words", "Bearer a b"),
		deny(malformed, "a tab behind the blank", "Bearer \tT"),
		deny(malformed, "a byte that is not of a token", "Bearer a:b"),
		deny(malformed, "quotes", `Bearer "T"`),
		deny(malformed, "a parameter", "Bearer token=T"),
		deny(malformed, "padding alone", "Bearer =="),
		deny(malformed, "padding inside", "Bearer a=b"),
		deny(malformed, "NUL", "Bearer a\x00"),
		deny(malformed, "a line break behind it", "Bearer T\r\n"),
		deny(malformed, "a byte above ASCII", "Bearer \xc3\xa9"),
		deny(malformed, "J-11 one byte too long", "Bearer "+longest+"a"),
		deny(malformed, "J-11 far too long, and not a token", "Bearer "+strings.Repeat("\xff", 1<<20)),

		deny(two, "A-12 two fields", "Bearer T", "Bearer T"),
		deny(two, "A-12 two fields merged", "Bearer T, Bearer T"),
		deny(two, "merged without a blank", "Bearer T,Bearer T"),
		deny(two, "merged, ours second", "Basic eDp5, Bearer T"),
		deny(two, "merged, ours first", "Bearer T, Basic eDp5"),
		deny(two, "in lower case", "Basic eDp5,bearer T"),
		deny(two, "in any case, behind a tab", "Basic eDp5,\tBEARER T"),
		deny(two, "two fields of which one is another scheme", "Basic eDp5", "Bearer T"),
		deny(two, "two fields of which one is empty", "Bearer T", ""),
		deny(two, "a comma behind the token", "Bearer T,"),
		deny(two, "a comma before it", ", Bearer T"),
		deny(two, "B-33 a comma inside it", "Bearer a,b"),
		deny(two, "the word alone beside another scheme", "Basic eDp5, Bearer"),
		deny(two, "a comma and far too long", "Bearer T,"+longest),
	} {
		t.Run(c.rule, func(t *testing.T) {
			if d, heard := present(t, request("POST", github, c.header...)); d.Reason != c.reason || heard != c.token {
				t.Errorf("%v, judged %q; want %v, %q", d.Reason, heard, c.reason, c.token)
			}
		})
	}
}

// A token anywhere but in the Authorization field is no credential (B-34, B-35, T-02).
func TestCredentialElsewhere(t *testing.T) {
	form := request("POST", github, "content-type", "application/x-www-form-urlencoded")
	form.Body = []byte("access_token=T")
	for rule, r := range map[string]*authz.Request{
		"B-34 in the query":          request("POST", github+"?access_token=T"),
		"B-35 in a form":             form,
		"B-35 in a cookie":           request("POST", github, "cookie", "access_token=T; authorization=Bearer T"),
		"for the proxy":              request("POST", github, "proxy-authorization", "Bearer T"),
		"in a field of another name": request("POST", github, "x-access-token", "T", "x_authorization", "Bearer T", "authorization2", "Bearer T"),
		"J-03 a session":             request("POST", github, "mcp-session-id", "T"),
	} {
		if d, heard := present(t, r); d.Reason != authz.NoCredential || heard != "" {
			t.Errorf("%s: %v, judged %q", rule, d.Reason, heard)
		}
	}
	// A parameter beside a good header decides nothing, and does not go on to the upstream (I-25).
	for query, removed := range map[string]bool{
		"?access_token=X": true, "?a=b&access_token=X&c": true, "?access_token": true, "?a=b&access_token=X&access_token=Y": true,
		"": false, "?": false, "?access_tokens=X": false, "?x_access_token=X": false, "?Access_Token=X": false, "?a=access_token": false, "/access_token=X": false,
	} {
		d, _ := present(t, request("POST", github+query, "authorization", "Bearer T"))
		if got := strings.Join(d.Upstream.RemoveQuery, " "); !d.Allowed() || (got == "access_token") != removed || !removed && got != "" {
			t.Errorf("%q: %v, removes %q", query, d.Reason, got)
		}
	}
}

// rfc6750 is credentials of RFC 6750 §2.1 in a field value with optional white space around it (RFC 9110 §5.5).
var rfc6750 = regexp.MustCompile(`^[ \t]*(?i:bearer) +([A-Za-z0-9\-._~+/]+=*)[ \t]*$`)

// FuzzCredential: a token is judged if and only if there is exactly one Authorization field and it is of the form that the
// RFC gives, and then it is that token.
func FuzzCredential(f *testing.F) {
	for _, seed := range []string{"Bearer T", "bearer  a.b-c_d~e+f/g==", "Bearer a,b", "Basic eDp5", "Bearer =", "BearerT", "Bearer\tT", " Bearer T ", ""} {
		f.Add(seed, "", false)
		f.Add("Basic eDp5", seed, true)
	}
	f.Fuzz(func(t *testing.T, first, second string, both bool) {
		values := []string{first}
		if both {
			values = append(values, second)
		}
		d, heard := present(t, request("POST", github, fields(values)...))
		form, want := rfc6750.FindStringSubmatch(first), ""
		if !both && form != nil && len(form[1]) <= limits().TokenBytes {
			want = form[1]
		}
		if heard != want || d.Allowed() != (want != "") {
			t.Errorf("%q: %v, judged %q; want %q", values, d.Reason, heard, want)
		}
	})
}

func fields(values []string) (header []string) {
	for _, v := range values {
		header = append(header, "authorization", v)
	}
	return header
}
