package authztest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"math/big"
)

// Key is a signing key with the id under which it is published.
type Key struct {
	ID      string
	Private crypto.Signer
}

// GenerateRSA makes an RSA key of that many bits. Like its siblings it panics if the system has no randomness.
func GenerateRSA(id string, bits int) *Key { return must(id)(rsa.GenerateKey(rand.Reader, bits)) }

// GenerateEC makes a key on one of the NIST curves.
func GenerateEC(id string, curve elliptic.Curve) *Key {
	return must(id)(ecdsa.GenerateKey(curve, rand.Reader))
}

// GenerateEd25519 makes an Ed25519 key.
func GenerateEd25519(id string) *Key {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	return must(id)(private, err)
}

func must(id string) func(crypto.Signer, error) *Key {
	return func(private crypto.Signer, err error) *Key {
		if err != nil {
			panic(err)
		}
		return &Key{ID: id, Private: private}
	}
}

// JWK is the public key as RFC 7517 has it, with "kid" if the key has an id, and extra members over it. An Omit value takes
// a member away.
func (k *Key) JWK(extra map[string]any) map[string]any {
	m := map[string]any{"use": "sig"}
	if k.ID != "" {
		m["kid"] = k.ID
	}
	switch public := k.Private.Public().(type) {
	case *rsa.PublicKey:
		m["kty"], m["n"], m["e"] = "RSA", b64(public.N.Bytes()), b64(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, X, Y
		if err != nil {
			panic(err)
		}
		half := len(point) / 2
		m["kty"], m["crv"], m["x"], m["y"] = "EC", public.Curve.Params().Name, b64(point[1:1+half]), b64(point[1+half:])
	case ed25519.PublicKey:
		m["kty"], m["crv"], m["x"] = "OKP", "Ed25519", b64(public)
	}
	return merge(m, extra)
}

// PublicDER is the public key in PKIX form, PublicPEM the same in PEM: what a confused verifier takes for an HMAC secret.
func (k *Key) PublicDER() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.Private.Public())
	if err != nil {
		panic(err)
	}
	return der
}

// PublicPEM is PublicDER in PEM.
func (k *Key) PublicPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: k.PublicDER()})
}

// Algorithm is the usual signature algorithm of the key (RFC 7518 §3.1).
func (k *Key) Algorithm() string {
	switch public := k.Private.Public().(type) {
	case *ecdsa.PublicKey:
		return map[string]string{"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}[public.Curve.Params().Name]
	case ed25519.PublicKey:
		return "EdDSA"
	}
	return "RS256"
}

// sign makes a JWS signature (RFC 7518 §3) with any algorithm, fitting or not.
func (k *Key) sign(alg string, input []byte) []byte {
	hash, digest := hashed(alg, input)
	switch private := k.Private.(type) {
	case *rsa.PrivateKey:
		if len(alg) > 1 && alg[:2] == "PS" {
			return sure(rsa.SignPSS(rand.Reader, private, hash, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash}))
		}
		return sure(rsa.SignPKCS1v15(rand.Reader, private, hash, digest))
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, private, digest)
		if err != nil {
			panic(err)
		}
		size := (private.Curve.Params().BitSize + 7) / 8
		return append(r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))...)
	}
	return sure(k.Private.Sign(rand.Reader, input, crypto.Hash(0)))
}

func hashed(alg string, input []byte) (crypto.Hash, []byte) {
	switch alg[max(0, len(alg)-3):] {
	case "384":
		d := sha512.Sum384(input)
		return crypto.SHA384, d[:]
	case "512":
		d := sha512.Sum512(input)
		return crypto.SHA512, d[:]
	}
	d := sha256.Sum256(input)
	return crypto.SHA256, d[:]
}

// HMAC is an HS256 signature with any bytes as the secret.
func HMAC(secret []byte) func(input []byte) []byte {
	return func(input []byte) []byte {
		mac := hmac.New(sha256.New, secret)
		mac.Write(input)
		return mac.Sum(nil)
	}
}

func sure(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
