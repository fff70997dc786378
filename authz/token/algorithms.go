package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"slices"
)

// Algorithms lists every signature algorithm (RFC 7518 §3.1, RFC 8037) that a declaration may name; they are the default
// too. All are asymmetric: "none" and the HMAC family have no place anywhere.
func Algorithms() []string {
	return []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"}
}

// KnownAlgorithm reports whether a declaration may name the algorithm.
func KnownAlgorithm(name string) bool { return slices.Contains(Algorithms(), name) }

// fits reports whether a public key is of the kind that an algorithm needs (RFC 7518 §3.3–3.5): for ECDSA on exactly its
// curve, for RSA of 2048 to 8192 bits.
func fits(algorithm string, key any) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		bits := key.N.BitLen()
		return (algorithm[:2] == "RS" || algorithm[:2] == "PS") && bits >= MinRSABits && bits <= MaxRSABits
	case *ecdsa.PublicKey:
		switch algorithm {
		case "ES256":
			return key.Curve == elliptic.P256()
		case "ES384":
			return key.Curve == elliptic.P384()
		case "ES512":
			return key.Curve == elliptic.P521()
		}
	case ed25519.PublicKey:
		return algorithm == "EdDSA"
	}
	return false
}
