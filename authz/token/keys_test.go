package token_test

import (
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"sync"

	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

// Keys are made once. An id says what is special about a key; "ec" is the id of a key of both issuers.
var (
	rsaKey    = sync.OnceValue(func() *authztest.Key { return authztest.GenerateRSA("rsa", 2048) })
	weakKey   = sync.OnceValue(func() *authztest.Key { return authztest.GenerateRSA("weak", 1024) })
	ecKey     = sync.OnceValue(func() *authztest.Key { return authztest.GenerateEC("ec", elliptic.P256()) })
	foreignEC = sync.OnceValue(func() *authztest.Key { return authztest.GenerateEC("ec", elliptic.P256()) })
	ec384     = sync.OnceValue(func() *authztest.Key { return authztest.GenerateEC("ec-384", elliptic.P384()) })
	ec521     = sync.OnceValue(func() *authztest.Key { return authztest.GenerateEC("ec-521", elliptic.P521()) })
	edKey     = sync.OnceValue(func() *authztest.Key { return authztest.GenerateEd25519("ed") })
	stranger  = sync.OnceValue(func() *authztest.Key { return authztest.GenerateEC("stranger", elliptic.P256()) })
)

type object = map[string]any

// named is a key under another id.
func named(id string, k *authztest.Key) *authztest.Key {
	return &authztest.Key{ID: id, Private: k.Private}
}

func keySet(keys ...any) []byte {
	document, err := json.Marshal(object{"keys": keys})
	if err != nil {
		panic(err)
	}
	return document
}

// corpKeys are good keys of every kind. The RSA key stands twice: bound to RS256, and for whatever it fits.
func corpKeys() []byte {
	return keySet(
		rsaKey().JWK(object{"alg": "RS256"}), named("rsa-any", rsaKey()).JWK(nil), ecKey().JWK(nil),
		ec384().JWK(nil), ec521().JWK(object{"alg": "ES512"}), edKey().JWK(object{"use": authztest.Omit}),
	)
}

// oddKeys are keys that must not verify, or not make others useless, beside three good ones ("verify", "x5u" and "null-ops").
func oddKeys() []byte {
	modulus := func(bits uint) string {
		n := new(big.Int).Lsh(big.NewInt(1), bits-1)
		return base64.RawURLEncoding.EncodeToString(n.SetBit(n, 0, 1).Bytes())
	}
	even := new(big.Int).Lsh(rsaKey().Private.Public().(*rsa.PublicKey).N, 1)
	ec := func(id string, extra object) any { return named(id, ecKey()).JWK(extra) }
	rsa := func(id string, extra object) any { return named(id, rsaKey()).JWK(extra) }
	return keySet(
		7, nil, "key", []any{}, object{}, object{"kty": "RSA"}, object{"kty": "EC", "crv": "P-256", "kid": "half"},
		object{"kty": "unheard-of", "kid": "unheard-of"},
		object{"kty": "oct", "kid": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte(octSecret))},
		weakKey().JWK(nil), rsa("strong", object{"n": modulus(16384)}), rsa("e1", object{"e": "AQ"}), rsa("e-even", object{"e": "Ag"}),
		rsa("n-even", object{"n": base64.RawURLEncoding.EncodeToString(even.Bytes())}), rsa("n-empty", object{"n": ""}),
		ec("enc", object{"use": "enc"}), ec("ops-sign", object{"key_ops": []string{"sign"}, "use": authztest.Omit}),
		ec("ops-none", object{"key_ops": []string{}}), ec("verify", object{"key_ops": []string{"verify"}, "use": authztest.Omit}),
		ec("null-ops", object{"key_ops": nil}), ec("private", object{"d": "AQAB"}), ec("secret", object{"k": "AQAB"}),
		ec("off-curve", object{"y": ecKey().JWK(nil)["x"]}), ec("curve", object{"crv": "P-384"}), ec("zero", object{"x": "AA", "y": "AA"}),
		ec("kty", object{"kty": "RSA"}), ec("kid-number", object{"kid": 7}), ec("alg", object{"alg": "ES384"}), ec("hmac", object{"alg": "HS256"}),
		ec("x5u", object{"x5u": "https://keys.example.com/x5u", "x5c": []string{"AQAB"}}),
	)
}

// octSecret is a symmetric key that somebody published.
const octSecret = "a secret of thirty-two bytes length"
