package authztest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"maps"
	"time"
)

type omit struct{}

// Omit as the value of a claim, header or JWK member takes the member away.
var Omit any = omit{} //nolint:gochecknoglobals // a sentinel

func merge(base, over map[string]any) map[string]any {
	out := maps.Clone(base)
	for k, v := range over {
		if v == Omit {
			delete(out, k)
		} else {
			out[k] = v
		}
	}
	return out
}

// Token is a token before it is signed. The zero values of all but Header and Claims mean "as usual".
type Token struct {
	Header     map[string]any
	Claims     map[string]any
	RawHeader  []byte                    // instead of Header, byte for byte
	RawPayload []byte                    // instead of Claims
	Key        *Key                      // signs
	Sign       func(input []byte) []byte // instead of Key
}

// Compact is the token in compact serialization (RFC 7515 §7.1). The "alg" of the header chooses the signature.
func (t Token) Compact() string {
	header, payload := t.RawHeader, t.RawPayload
	if header == nil {
		header = encode(t.Header)
	}
	if payload == nil {
		payload = encode(t.Claims)
	}
	signed := b64(header) + "." + b64(payload)
	sign := t.Sign
	if sign == nil {
		alg, _ := t.Header["alg"].(string)
		sign = func(input []byte) []byte { return t.Key.sign(alg, input) }
	}
	compact := signed + "." + b64(sign([]byte(signed)))
	Guard(compact)
	return compact
}

func encode(m map[string]any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		panic(err)
	}
	return bytes.TrimSpace(b.Bytes())
}

// Token is a good access token of this issuer (RFC 9068 §2) with the claims given over the usual ones: iss, sub, client_id,
// iat, exp in an hour, jti. There is no audience unless the claims have one. What comes back can be changed before Compact.
func (i *Issuer) Token(claims map[string]any) Token {
	key, now := i.Current(), i.now()
	return Token{
		Key:    key,
		Header: map[string]any{"typ": "at+jwt", "alg": key.Algorithm(), "kid": key.ID},
		Claims: merge(map[string]any{
			"iss": i.URL(), "sub": "user-1", "client_id": "client-1", "jti": rand.Text(),
			"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		}, claims),
	}
}

// Mint is Token(claims).Compact().
func (i *Issuer) Mint(claims map[string]any) string { return i.Token(claims).Compact() }
