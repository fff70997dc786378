package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/json"
	"strings"

	"github.com/mcp-authz/mcp-authz/authz"
	"github.com/mcp-authz/mcp-authz/authz/authztest"
)

func algorithmVectors() []vector {
	jwk, err := json.Marshal(rsaKey().JWK(nil))
	if err != nil {
		panic(err)
	}
	hmac := func(secret []byte) edit { return signature(authztest.HMAC(secret)) }
	some := []vector{
		deny("B-04 none", authz.TokenAlgorithm, algorithm("none"), unsigned),
		deny("B-04 none, signed", authz.TokenAlgorithm, algorithm("none")),
		deny("B-04 None", authz.TokenAlgorithm, algorithm("None"), unsigned),
		deny("B-04 nOnE", authz.TokenAlgorithm, algorithm("nOnE"), unsigned),
		deny("B-04 nOnE, signed", authz.TokenAlgorithm, algorithm("nOnE")),
		deny("B-04 NONE with a blank", authz.TokenAlgorithm, algorithm("NONE "), unsigned),
		deny("B-04 empty", authz.TokenAlgorithm, algorithm(""), unsigned),
		deny("B-04 absent", authz.TokenAlgorithm, header("alg", authztest.Omit), unsigned),
		deny("B-04 null", authz.TokenMalformed, header("alg", nil), unsigned),
		deny("B-04 RS256 without a signature", authz.TokenSignature, unsigned),

		deny("B-05 HS256 with the public key as PEM", authz.TokenAlgorithm, algorithm("HS256"), hmac(rsaKey().PublicPEM())),
		deny("B-05 HS256 with the public key as DER", authz.TokenAlgorithm, algorithm("HS256"), hmac(rsaKey().PublicDER())),
		deny("B-05 HS256 with the public key as JWK", authz.TokenAlgorithm, algorithm("HS256"), hmac(jwk)),
		deny("B-05 HS256 with an empty secret", authz.TokenAlgorithm, algorithm("HS256"), hmac(nil)),
		deny("B-05 HMAC under the name of RS256", authz.TokenSignature, hmac(rsaKey().PublicPEM())),
		deny("B-05 HS512", authz.TokenAlgorithm, algorithm("HS512")),
		deny("B-05 RS512 where RS256 is listed", authz.TokenAlgorithm, on("rs256"), kid("rsa-any"), algorithm("RS512")),
		deny("B-05 ES256 where RS256 is listed", authz.TokenAlgorithm, on("rs256"), by(ecKey())),
		deny("B-05 lower case", authz.TokenAlgorithm, algorithm("rs256")),
		deny("B-05 ES256K", authz.TokenAlgorithm, by(ecKey()), algorithm("ES256K")),
		deny("B-05 RS1", authz.TokenAlgorithm, algorithm("RS1")),
		deny("B-05 PBES2", authz.TokenAlgorithm, algorithm("PBES2-HS256+A128KW")),

		deny("B-06 ES256 naming an RSA key", authz.TokenKeyUnknown, by(ecKey()), kid("rsa")),
		deny("B-06 RS256 naming an EC key", authz.TokenKeyUnknown, kid("ec")),
		deny("B-06 PS256 with a key for RS256", authz.TokenKeyUnknown, algorithm("PS256")),
		deny("B-06 RS512 with a key for RS256", authz.TokenKeyUnknown, algorithm("RS512")),
		deny("B-06 ES384 with a key on P-256", authz.TokenKeyUnknown, by(ecKey()), algorithm("ES384")),
		deny("B-06 ES256 with a key on P-384", authz.TokenKeyUnknown, by(ec384()), algorithm("ES256")),
		deny("B-06 EdDSA with a key on P-256", authz.TokenKeyUnknown, by(ecKey()), algorithm("EdDSA")),
		deny("B-06 RS256 signature said to be PS256", authz.TokenSignature, kid("rsa-any"), algorithm("PS256"), signature(pkcs1)),

		allow("B-07 RS256 by default"),
		allow("B-07 RS256 where it is listed", on("rs256")),
		deny("B-36 ES256 in DER", authz.TokenSignature, by(ecKey()), signature(der)),
		deny("B-36 ES256 with R and S of P-521", authz.TokenSignature, by(ecKey()), signature(func([]byte) []byte { return make([]byte, 132) })),
		deny("B-36 ES256 of zeros", authz.TokenSignature, by(ecKey()), signature(func([]byte) []byte { return make([]byte, 64) })),
	}
	for _, a := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		some = append(some, allow("B-07 allowed: "+a, kid("rsa-any"), algorithm(a)))
	}
	for _, k := range []*authztest.Key{ecKey(), ec384(), ec521(), edKey()} {
		some = append(some, allow("B-07 allowed: "+k.Algorithm(), by(k)))
	}
	return some
}

// pkcs1 is an RS256 signature, whatever the header says.
func pkcs1(input []byte) []byte {
	digest := sha256.Sum256(input)
	out, err := rsa.SignPKCS1v15(rand.Reader, rsaKey().Private.(*rsa.PrivateKey), crypto.SHA256, digest[:])
	if err != nil {
		panic(err)
	}
	return out
}

// der is an ECDSA signature as X.509 has it.
func der(input []byte) []byte {
	digest := sha256.Sum256(input)
	out, err := ecdsa.SignASN1(rand.Reader, ecKey().Private.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		panic(err)
	}
	return out
}

func headerVectors() []vector {
	typ := func(v any) edit { return header("typ", v) }
	strict := on("strict")
	dup := func(member string) edit { return head(last(member)) }
	forged := func(e ...edit) []edit { return append([]edit{by(stranger())}, e...) }
	return []vector{
		allow("B-08 strict, at+jwt", strict),
		allow("B-08 strict, application/at+jwt", strict, typ("application/at+jwt")),
		deny("B-08 strict, JWT", authz.TokenType, strict, typ("JWT")),
		deny("B-08 strict, absent", authz.TokenType, strict, typ(authztest.Omit)),
		deny("B-08 strict, empty", authz.TokenType, strict, typ("")),
		deny("B-08 strict, dpop+jwt", authz.TokenType, strict, typ("dpop+jwt")),
		deny("B-08 strict, logout+jwt", authz.TokenType, strict, typ("logout+jwt")),
		deny("B-08 strict, secevent+jwt", authz.TokenType, strict, typ("secevent+jwt")),
		deny("B-08 strict, application twice", authz.TokenType, strict, typ("application/application/at+jwt")),
		deny("B-08 strict, with a parameter", authz.TokenType, strict, typ("at+jwt;x=y")),
		deny("B-08 strict, text/at+jwt", authz.TokenType, strict, typ("text/at+jwt")),
		allow("B-08 any, JWT", typ("JWT")),
		allow("B-08 any, application/jwt", typ("application/jwt")),
		allow("B-08 any, absent", typ(authztest.Omit)),
		allow("B-08 any, empty", typ("")),
		deny("B-08 any, dpop+jwt", authz.TokenType, typ("dpop+jwt")),
		deny("B-08 any, logout+jwt", authz.TokenType, typ("logout+jwt")),
		deny("B-08 any, secevent+jwt", authz.TokenType, typ("secevent+jwt")),
		deny("B-08 any, application/ alone", authz.TokenType, typ("application/")),
		deny("B-08 a number", authz.TokenMalformed, typ(7)),
		allow("B-09 strict, AT+JWT", strict, typ("AT+JWT")),
		allow("B-09 strict, at+JWT of the RFC", strict, typ("at+JWT")),
		allow("B-09 strict, APPLICATION/AT+JWT", strict, typ("APPLICATION/AT+JWT")),
		allow("B-09 any, jwt", typ("jwt")),
		deny("B-09 DPoP+JWT", authz.TokenType, typ("DPoP+JWT")),

		deny("B-24 crit names exp", authz.TokenCritical, header("crit", []string{"exp"})),
		deny("B-24 crit is empty", authz.TokenCritical, header("crit", []string{})),
		deny("B-24 crit names b64", authz.TokenCritical, header("crit", []string{"b64"}), header("b64", false)),
		deny("B-24 crit is null", authz.TokenCritical, header("crit", nil)),
		deny("B-24 crit is a text", authz.TokenCritical, header("crit", "exp")),

		deny("B-25 jwk brings a key", authz.TokenKeyUnknown, forged(header("jwk", stranger().JWK(nil)))...),
		deny("B-25 jwk brings a key under a known kid", authz.TokenSignature, forged(header("jwk", stranger().JWK(nil)), kid("ec"))...),
		deny("B-25 jwk brings a key without kid", authz.TokenSignature, forged(header("jwk", stranger().JWK(nil)), kid(authztest.Omit))...),
		deny("B-25 x5c brings a key", authz.TokenSignature, forged(header("x5c", []string{"AQAB"}), kid("ec"))...),
		allow("B-25 jwk of somebody else is not looked at", header("jwk", stranger().JWK(nil))),
		deny("B-25 kid is a path", authz.TokenKeyUnknown, kid("../../rsa")),
		deny("B-25 kid in another case", authz.TokenKeyUnknown, kid("RSA")),
		deny("B-25 kid with a blank", authz.TokenKeyUnknown, kid("rsa ")),
		deny("B-25 kid of control characters", authz.TokenKeyUnknown, kid("\x00\r\nrsa")),
		deny("B-25 kid of SQL", authz.TokenKeyUnknown, kid("' OR 1=1 --")),
		deny("B-25 kid is empty", authz.TokenKeyUnknown, kid("")),
		deny("B-25 kid of 300 bytes", authz.TokenKeyUnknown, kid(strings.Repeat("k", 300))),
		deny("B-25 kid of 1 MiB", authz.TokenKeyUnknown, kid(strings.Repeat("k", 1<<20)), checked(authz.TokenMalformed)),
		deny("B-25 kid is a number", authz.TokenMalformed, kid(7)),
		deny("B-25 kid is null", authz.TokenMalformed, kid(nil)),
		deny("B-25 kid is a list", authz.TokenMalformed, kid([]string{"rsa"})),

		deny("B-26 header in UTF-16", authz.TokenMalformed, head(utf16LE)),
		deny("B-26 header with a BOM", authz.TokenMalformed, head(prefixed("\xef\xbb\xbf"))),
		deny("B-26 header that is not UTF-8", authz.TokenMalformed, dup(`"x":"`+"\xff"+`"`)),
		deny("B-27 alg twice", authz.TokenMalformed, dup(`"alg":"RS256"`)),
		deny("B-27 none, then RS256", authz.TokenMalformed, head(first(`"alg":"none"`))),
		deny("B-27 alg twice, escaped", authz.TokenMalformed, dup(`"\u0061lg":"RS256"`)),
		deny("B-27 kid twice", authz.TokenMalformed, dup(`"kid":"rsa"`)),
		deny("B-27 an unknown header twice", authz.TokenMalformed, dup(`"x":1,"x":1`)),
		deny("B-27 twice within a header", authz.TokenMalformed, dup(`"x":{"y":1,"y":1}`)),
		allow("B-27 an unknown header", dup(`"x":{"y":[1,null]}`)),
		allow("B-27 ALG is an unknown header", dup(`"ALG":"none"`)),
		deny("B-27 only ALG", authz.TokenAlgorithm, head(replaced(`"alg"`, `"ALG"`))),
	}
}
