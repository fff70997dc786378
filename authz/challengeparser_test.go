package authz_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz"
)

// parameter is one auth-param of a challenge.
type parameter struct{ name, value string }

// parseChallenge reads a field value that holds one challenge, by the letter of RFC 9110 §11.2 and §5.6:
//
//	challenge     = auth-scheme 1*SP #auth-param
//	auth-param    = token BWS "=" BWS ( token / quoted-string )
//	quoted-string = DQUOTE *( qdtext / "\" ( HTAB / SP / VCHAR ) ) DQUOTE
//
// It shares no code with what writes challenges.
func parseChallenge(line string) (scheme string, params []parameter, err error) {
	scheme, rest := takeToken(line)
	if scheme == "" || !strings.HasPrefix(rest, " ") {
		return "", nil, fmt.Errorf("no scheme and blank in %q", line)
	}
	seen := map[string]bool{}
	for first := true; first || rest != ""; first = false {
		if !first {
			if rest = strings.TrimLeft(rest, " \t"); !strings.HasPrefix(rest, ",") {
				return "", nil, fmt.Errorf("no comma before %q", rest)
			}
			rest = rest[1:]
		}
		var p parameter
		if p.name, rest = takeToken(strings.TrimLeft(rest, " \t")); p.name == "" || seen[strings.ToLower(p.name)] {
			return "", nil, fmt.Errorf("no parameter name, or one for the second time, before %q", rest)
		}
		seen[strings.ToLower(p.name)] = true
		if rest = strings.TrimLeft(rest, " \t"); !strings.HasPrefix(rest, "=") {
			return "", nil, fmt.Errorf("no = after %s", p.name)
		}
		if p.value, rest, err = takeValue(strings.TrimLeft(rest[1:], " \t")); err != nil {
			return "", nil, fmt.Errorf("%s: %w", p.name, err)
		}
		params = append(params, p)
	}
	return scheme, params, nil
}

func takeToken(s string) (token, rest string) {
	end := strings.IndexFunc(s, func(r rune) bool {
		return r > 0x7e || r <= 0x20 || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
	if end < 0 {
		end = len(s)
	}
	return s[:end], s[end:]
}

func takeValue(s string) (value, rest string, err error) {
	if !strings.HasPrefix(s, `"`) {
		if value, rest = takeToken(s); value == "" {
			return "", "", errors.New("no value")
		}
		return value, rest, nil
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case c == '"':
			return b.String(), s[i+1:], nil
		case c == '\\':
			if i++; i == len(s) || s[i] != '\t' && (s[i] < 0x20 || s[i] == 0x7f) {
				return "", "", errors.New("a backslash before nothing that it may quote")
			}
			b.WriteByte(s[i])
		case c == '\t', c >= 0x20 && c != 0x7f:
			b.WriteByte(c)
		default:
			return "", "", fmt.Errorf("byte %#x", c)
		}
	}
	return "", "", errors.New("no closing quote")
}

// param is a parameter of the challenge of a decision; "" where there is no challenge, or not this parameter.
func param(t testing.TB, d authz.Decision, name string) string {
	t.Helper()
	line := field(d.Answer(), "www-authenticate")
	if line == "" {
		return ""
	}
	_, params, err := parseChallenge(line)
	if err != nil {
		t.Errorf("%q: %v", line, err)
	}
	for _, p := range params {
		if p.name == name {
			return p.value
		}
	}
	return ""
}

// The parser itself must refuse what the grammar refuses, or it proves nothing.
func TestParseChallenge(t *testing.T) {
	for line, want := range map[string]string{
		`Bearer a="b"`:                 `[{a b}]`,
		`Bearer a="b, c=\"d\"", e=f`:   `[{a b, c="d"} {e f}]`,
		`Bearer  a = "b" ,	c="d"`:      `[{a b} {c d}]`,
		`Bearer`:                       ``,
		`Bearer `:                      ``,
		`Bearer, a="b"`:                ``,
		`Bearer a="b" c="d"`:           ``,
		`Bearer a="b"; c="d"`:          ``,
		`Bearer a="b",`:                ``,
		`Bearer a=https://x`:           ``,
		`Bearer a=b c`:                 ``,
		`Bearer a="b`:                  ``,
		`Bearer a="b\`:                 ``,
		"Bearer a=\"b\r\nc\"":          ``,
		`Bearer a="b", A="c"`:          ``,
		`Bearer a=`:                    ``,
		`Bearer ="b"`:                  ``,
		`"Bearer" a="b"`:               ``,
		`Bearer a="b", Digest c="d"`:   ``,
		`Bearer a="` + "\x7f" + `"`:    ``,
		`Bearer a="b""c"`:              ``,
		"Bearer\ta=\"b\"":              ``,
		`Bearer resource_metadata="a"`: `[{resource_metadata a}]`,
	} {
		scheme, params, err := parseChallenge(line)
		if (err == nil) != (want != "") || err == nil && (fmt.Sprint(params) != want || scheme != "Bearer") {
			t.Errorf("%q: %q %q, %v; want %q", line, scheme, params, err, want)
		}
	}
}
