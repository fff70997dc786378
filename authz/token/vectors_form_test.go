package token_test

import (
	"fmt"
	"strings"

	"github.com/mcp-authz/mcp-authz/authz"
)

func formVectors() []vector {
	malformed := func(name string, edits ...edit) vector { return deny(name, authz.TokenMalformed, edits...) }
	more := func(s string) func(string) string { return func(t string) string { return t + s } }
	without := func(n int) edit { return part(n, func(string) string { return "" }) }
	cut := func(n int) edit { // the first n parts alone
		return sent(func(s string) string { return strings.Join(strings.SplitN(s, ".", 4)[:n], ".") })
	}
	// The subject has bits that make base64url use both of its own letters.
	alphabet := func(pairs ...string) []edit {
		return []edit{claim("sub", "~~~~~~??????"), sent(strings.NewReplacer(pairs...).Replace)}
	}
	return []vector{
		allow("B-28 three parts"),
		malformed("B-28 five parts", sent(more(".e30.e30"))),
		malformed("B-28 four parts", sent(more(".e30"))),
		malformed("B-28 a dot at the end", sent(more("."))),
		malformed("B-28 a dot at the start", sent(func(s string) string { return "." + s })),
		malformed("B-28 two parts", cut(2)),
		malformed("B-28 one part", cut(1)),
		malformed("B-28 dots alone", sent(func(string) string { return ".." })),
		malformed("B-28 an opaque token", sent(func(string) string { return "gho_16C7e42F292c6912E7710c838347Ae178B4a" })),
		malformed("B-28 no header", without(0)),
		malformed("B-28 no payload", without(1)),
		deny("B-28 no signature", authz.TokenSignature, without(2)),
		malformed("B-28 flattened JSON serialization", checked(authz.MultipleCredentials), sent(func(s string) string {
			p := strings.Split(s, ".")
			return fmt.Sprintf(`{"protected":"%s","payload":"%s","signature":"%s"}`, p[0], p[1], p[2])
		})),
		malformed("B-28 JSON", sent(func(string) string { return `{"payload":"e30"}` })),
		malformed("B-28 padding at the end", sent(more("="))),
		malformed("B-28 padding in the header", part(0, more("=="))),
		malformed("B-28 the alphabet of base64", alphabet("-", "+", "_", "/")...),
		malformed("B-28 plus alone", alphabet("-", "+")...),
		malformed("B-28 slash alone", alphabet("_", "/")...),
		allow("B-28 the alphabet of base64url", alphabet()...),
		malformed("B-28 a newline at the end", sent(more("\n"))),
		malformed("B-28 a newline inside", part(1, func(s string) string { return s[:8] + "\n" + s[8:] })),
		malformed("B-28 a carriage return inside", part(2, func(s string) string { return s[:8] + "\r" + s[8:] })),
		malformed("B-28 a blank inside", part(1, func(s string) string { return s[:8] + " " + s[8:] })),
		malformed("B-28 a NUL inside", part(1, func(s string) string { return s[:8] + "\x00" + s[8:] })),
		malformed("B-28 stray bits in the signature", part(2, strayBit)),
		malformed("B-28 stray bits in the payload", payload(padded), part(1, strayBit)),
		malformed("B-28 one letter more", part(2, more("AAA"))),
		deny("B-28 64 KiB", authz.Allowed, claim("x", strings.Repeat("x", 48<<10)), checked(authz.TokenMalformed)),

		malformed("B-28 header is a list", head(constant(`[]`))),
		malformed("B-28 header is a text", head(constant(`"alg"`))),
		malformed("B-28 header is null", head(constant(`null`))),
		malformed("B-28 header and more", head(last(`"x":1}{"y":2`))),
		malformed("B-28 header that ends early", head(constant(`{"alg":"RS256"`))),
		deny("B-28 header is empty", authz.TokenAlgorithm, head(constant(`{}`))),
		malformed("B-28 payload is a list", payload(constant(`[]`))),
		malformed("B-28 payload is null", payload(constant(`null`))),
		malformed("B-28 payload and more", payload(last(`"x":1} {"y":2`))),
		malformed("B-28 payload with a comma at the end", payload(replaced(`}`, `,}`))),
		malformed("B-28 payload that is deep", payload(last(`"x":`+strings.Repeat("[", 11000)+strings.Repeat("]", 11000)))),
		deny("B-28 payload is empty", authz.TokenIssuer, payload(constant(`{}`))),
		allow("B-28 payload with blanks around it", payload(func(b []byte) []byte { return []byte(" \n" + string(b) + "\t ") })),

		malformed("B-26 payload in UTF-16", payload(utf16LE)),
		malformed("B-26 payload in UTF-16 with a BOM", payload(func(b []byte) []byte { return append([]byte{0xff, 0xfe}, utf16LE(b)...) })),
		malformed("B-26 payload with a BOM", payload(prefixed("\xef\xbb\xbf"))),
		malformed("B-26 payload that is not UTF-8", payload(last(`"x":"`+"\xc3\x28"+`"`))),
		malformed("B-26 name that is not UTF-8", payload(last(`"`+"\xff"+`":1`))),
		malformed("B-26 half a surrogate pair", payload(last(`"x":"\ud800"`))),
		malformed("B-27 aud twice", payload(last(`"aud":"https://mcp.example.com/github/mcp"`))),
		malformed("B-27 aud twice, first", payload(first(`"aud":"https://mcp.example.com/github/mcp"`))),
		malformed("B-27 aud twice, escaped", payload(last(`"\u0061ud":"https://mcp.example.com/github/mcp"`))),
		malformed("B-27 iss twice", payload(last(`"iss":"`+corpURL+`"`))),
		malformed("B-27 exp twice", payload(last(`"exp":9999999999`))),
		malformed("B-27 an unknown claim twice", payload(last(`"x":1,"x":2`))),
		malformed("B-27 twice within a claim", payload(last(`"x":[{"y":1,"y":2}]`))),
		allow("B-27 an unknown claim", payload(last(`"x":[{"y":1},{"y":2}]`))),
		allow("B-27 AUD is an unknown claim", payload(last(`"AUD":"x"`))),
	}
}

// padded makes the length of a payload one that leaves spare bits in its last letter.
func padded(b []byte) []byte {
	for len(b)%3 != 1 {
		b = append(b, ' ')
	}
	return b
}

// strayBit sets a bit of the last letter that a lenient decoder drops.
func strayBit(s string) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	n := strings.IndexByte(letters, s[len(s)-1])
	if len(s)%4 < 2 || n&1 == 1 {
		panic("there is no stray bit")
	}
	return s[:len(s)-1] + letters[n|1:n|1+1]
}
