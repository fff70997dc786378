package authztest

import (
	"crypto/ecdsa"
	"crypto/rsa"
)

// OddJWKs are keys that no verifier may use: too weak, too strong, of no known kind, not whole, off their curve, symmetric,
// private, or not for signatures. The "kid" of each says which it is. Where it can be, the public key is k's own: what k signs
// in the name of such a key has a signature that fits.
func (k *Key) OddJWKs() []map[string]any {
	own := func(id string, extra map[string]any) map[string]any {
		return (&Key{ID: id, Private: k.Private}).JWK(extra)
	}
	modulus := func(bits int) string {
		n := make([]byte, bits/8)
		n[0], n[len(n)-1] = 0x80, 1
		return b64(n)
	}
	odd := []map[string]any{
		{"kty": "RSA", "kid": "rsa-1024", "n": modulus(1024), "e": "AQAB"},
		{"kty": "RSA", "kid": "rsa-16384", "n": modulus(16384), "e": "AQAB"},
		{"kty": "RSA", "kid": "rsa-without-n", "e": "AQAB"},
		{"kty": "RSA", "kid": "rsa-without-e", "n": modulus(2048)},
		{"kty": "EC", "kid": "ec-half", "crv": "P-256", "x": b64(make([]byte, 32))},
		{"kty": "EC", "kid": "ec-zero", "crv": "P-256", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
		{"kty": "EC", "kid": "ec-secp256k1", "crv": "secp256k1", "x": b64(make([]byte, 32)), "y": b64(make([]byte, 32))},
		{"kty": "OKP", "kid": "okp-Ed448", "crv": "Ed448", "x": b64(make([]byte, 57))},
		{"kty": "oct", "kid": "oct", "k": b64([]byte("a secret of thirty-two bytes length"))},
		{"kid": "without-kty"},
		{"kty": 7, "kid": "kty-number"},
		own("unheard-of", map[string]any{"kty": "unheard-of"}),
		own("without-key", map[string]any{"n": Omit, "x": Omit}),
		own("enc", map[string]any{"use": "enc"}),
		own("ops-sign", map[string]any{"use": Omit, "key_ops": []string{"sign"}}),
		own("private", map[string]any{"d": "AQAB"}),
		own("secret", map[string]any{"k": "AQAB"}),
		own("hmac", map[string]any{"alg": "HS256"}),
	}
	switch public := k.Private.Public().(type) {
	case *ecdsa.PublicKey:
		odd = append(odd, own("ec-off-curve", map[string]any{"y": own("", nil)["x"]}), own("ec-other-curve", map[string]any{"crv": "P-521"}))
	case *rsa.PublicKey:
		odd = append(odd, own("rsa-exponent-1", map[string]any{"e": "AQ"}), own("rsa-even", map[string]any{"n": b64(append(public.N.Bytes(), 0))}))
	}
	return odd
}
