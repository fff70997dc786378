package authztest

import (
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// spoil is what a fault makes of a document, a JSON object. key is the one that signs, n the number of this fetch.
func (k FaultKind) spoil(document []byte, key *Key, n int) []byte {
	switch k {
	case Changing, WrongIssuer, NoKeys, TooManyKeys, DuplicateKID, OddKeys:
	default:
		return document
	}
	m := map[string]any{}
	if err := json.Unmarshal(document, &m); err != nil {
		return document // SetJWKS took something else for a document
	}
	_, isMetadata := m["issuer"]
	list, isKeySet := m["keys"].([]any)
	switch {
	case k == Changing:
		m["fetch"] = strconv.Itoa(n)
	case k == WrongIssuer && isMetadata:
		m["issuer"] = fmt.Sprint(m["issuer"], ".evil.example")
	case k == NoKeys && isKeySet:
		m["keys"] = []any{}
	case k == TooManyKeys && isKeySet:
		own := mustJSON(list)
		m["keys"] = json.RawMessage("[" + strings.Repeat(`{"kty":"unheard-of","kid":"filler"},`, 10_000) + string(own[1:]))
	case k == DuplicateKID && isKeySet:
		twins := []any{}
		for _, jwk := range list {
			if jwk, ok := jwk.(map[string]any); ok {
				twins = append(twins, twin(jwk))
			}
		}
		m["keys"] = append(twins, list...)
	case k == OddKeys && isKeySet:
		odd := []any{}
		for _, jwk := range key.OddJWKs() {
			odd = append(odd, jwk)
		}
		m["keys"] = append(odd, list...)
	}
	return encode(m)
}

// twin is another key of the kind, the size and the id of a JWK. There is no private key for it.
func twin(jwk map[string]any) map[string]any {
	switch jwk["kty"] {
	case "RSA":
		n := make([]byte, 256)
		rand.Read(n)
		n[0], n[len(n)-1] = n[0]|0x80, n[len(n)-1]|1
		return merge(jwk, map[string]any{"n": b64(n)})
	case "EC":
		curve := map[any]elliptic.Curve{"P-384": elliptic.P384(), "P-521": elliptic.P521()}[jwk["crv"]]
		if curve == nil {
			curve = elliptic.P256()
		}
		id, _ := jwk["kid"].(string)
		return GenerateEC(id, curve).JWK(map[string]any{"alg": jwk["alg"]})
	}
	public := make([]byte, 32) // OKP: any bytes will do
	rand.Read(public)
	return merge(jwk, map[string]any{"x": b64(public)})
}
