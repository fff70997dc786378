package token_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"strings"
	"unicode/utf16"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// draft is a good access token of corp for a place, before the edits that a vector is about.
type draft struct {
	authztest.Token
	at      string
	payload func([]byte) []byte // the claims as JSON, before they are signed
	head    func([]byte) []byte
	compact func(string) string // the signed token
	ofCheck authz.Reason        // where the whole check says something else
}

type edit func(*draft)

// mint makes the token and says where it is to be shown.
func (d *draft) mint() (at, compact string) {
	if _, set := d.Claims["aud"]; !set {
		d.Claims["aud"] = places()[d.at].id
	}
	d.RawHeader, d.RawPayload = text(d.Header), text(d.Claims)
	if d.head != nil {
		d.RawHeader = d.head(d.RawHeader)
	}
	if d.payload != nil {
		d.RawPayload = d.payload(d.RawPayload)
	}
	compact = d.Compact()
	if d.compact != nil {
		compact = d.compact(compact)
	}
	return d.at, compact
}

func text(m object) []byte {
	m = maps.Clone(m)
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == authztest.Omit })
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

func newDraft(edits ...edit) *draft {
	d := &draft{Token: authztest.NewIssuerWithKey(corpURL, rsaKey()).Token(nil), at: "github"}
	for _, e := range edits {
		e(d)
	}
	return d
}

// mint is a token for "github", or for the place that an edit says.
func mint(edits ...edit) string {
	_, compact := newDraft(edits...).mint()
	return compact
}

// on is where the token is shown; unless an edit says otherwise, it is meant for that place.
func on(place string) edit { return func(d *draft) { d.at = place } }

// checked is the reason of the whole check, where it judges before the verifier or after it.
func checked(r authz.Reason) edit { return func(d *draft) { d.ofCheck = r } }

func header(name string, value any) edit { return func(d *draft) { d.Header[name] = value } }
func claim(name string, value any) edit  { return func(d *draft) { d.Claims[name] = value } }
func audience(value any) edit            { return claim("aud", value) }
func without(name string) edit           { return claim(name, authztest.Omit) }

// by signs with a key and names it.
func by(k *authztest.Key) edit {
	return func(d *draft) { d.Key, d.Header["alg"], d.Header["kid"] = k, k.Algorithm(), k.ID }
}

// algorithm signs with that algorithm and says so.
func algorithm(name string) edit { return header("alg", name) }

// kid names a key without using it.
func kid(id any) edit { return header("kid", id) }

// from makes it a token of the other issuer.
func fromOther(d *draft) { by(foreignEC())(d); claim("iss", otherURL)(d) }

func signature(sign func(input []byte) []byte) edit { return func(d *draft) { d.Sign = sign } }

// unsigned leaves the third part empty.
func unsigned(d *draft) { d.Sign = func([]byte) []byte { return nil } }

func payload(f func([]byte) []byte) edit { return func(d *draft) { d.payload = f } }
func head(f func([]byte) []byte) edit    { return func(d *draft) { d.head = f } }

// sent changes the token after it was signed.
func sent(f func(string) string) edit { return func(d *draft) { d.compact = f } }

// part changes one of the three parts of a signed token.
func part(n int, f func(string) string) edit {
	return sent(func(s string) string {
		parts := strings.Split(s, ".")
		parts[n] = f(parts[n])
		return strings.Join(parts, ".")
	})
}

// first and last put a member, as JSON text, before or after the others.
func first(member string) func([]byte) []byte {
	return func(b []byte) []byte { return append([]byte("{"+member+","), b[1:]...) }
}

func last(member string) func([]byte) []byte {
	return func(b []byte) []byte { return append(b[:len(b)-1:len(b)-1], ("," + member + "}")...) }
}

// prefixed puts bytes before a text.
func prefixed(p string) func([]byte) []byte {
	return func(b []byte) []byte { return append([]byte(p), b...) }
}

func constant(s string) func([]byte) []byte { return func([]byte) []byte { return []byte(s) } }

// replaced changes a text within the JSON.
func replaced(old, with string) func([]byte) []byte {
	return func(b []byte) []byte {
		if !bytes.Contains(b, []byte(old)) {
			panic("there is no " + old)
		}
		return bytes.ReplaceAll(b, []byte(old), []byte(with))
	}
}

// utf16LE writes a text in UTF-16, which JSON of tokens never is.
func utf16LE(b []byte) []byte {
	out := []byte{}
	for _, u := range utf16.Encode([]rune(string(b))) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}
