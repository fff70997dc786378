package token

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"github.com/MicahParks/jwkset"
	"github.com/MicahParks/keyfunc/v3"
	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/golang-jwt/jwt/v5"
)

// Limits on a key set (RFC 7517 §5).
const (
	MaxKeys      = 64
	MaxKeysBytes = 256 << 10 // of the key set document
	MinRSABits   = 2048
	MaxRSABits   = 8192
	MaxTwins     = 4 // keys with one id that fit one algorithm; those after them are left out
	maxKIDBytes  = 256
)

// keySet is one state of an issuer's keys. It is never changed.
type keySet struct {
	epoch   uint64    // moves with every change of the keys
	sum     [32]byte  // of the document
	keys    int       // usable ones
	began   time.Time // when the fetch that brought or confirmed it began
	static  bool      // inline: never fetched, never stale
	byAlg   map[string]keyfunc.Keyfunc
	only    map[string]any   // the key for tokens without kid, where exactly one fits
	named   map[string][]any // by algorithm and kid; some servers have several keys under one id
	exposed bool             // a private part was published
}

// jwk has the members that count (RFC 7517 §4, RFC 7518 §6). Whatever could make a library fetch something (x5u) or trust
// something else (x5c) is not read at all.
type jwk struct {
	KTY    string         `json:"kty"`
	Use    string         `json:"use"`
	Ops    []string       `json:"key_ops"`
	Alg    string         `json:"alg"`
	KID    string         `json:"kid"`
	CRV    string         `json:"crv"`
	X      string         `json:"x"`
	Y      string         `json:"y"`
	N      string         `json:"n"`
	E      string         `json:"e"`
	D      jsontext.Value `json:"d"`
	Secret jsontext.Value `json:"k"`
}

var (
	errKeySetForm = errors.New("the key set is not a JSON object with a list of keys")
	errKeySetSize = errors.New("the key set has more than 64 keys or 256 KiB")
	errNoUsable   = errors.New("the key set holds no usable signature key")
)

// newKeySet reads a JWK set for the given algorithms. A key that is odd, symmetric, not meant for signatures, too weak, too
// strong, or that fits none of the algorithms is left out, and the rest works. A set without any usable key is an error.
func newKeySet(document []byte, algorithms []string) (*keySet, error) {
	if len(document) > MaxKeysBytes {
		return nil, errKeySetSize
	}
	var set struct {
		Keys []jsontext.Value `json:"keys"`
	}
	if json.Unmarshal(document, &set) != nil || set.Keys == nil {
		return nil, errKeySetForm
	}
	if len(set.Keys) > MaxKeys {
		return nil, errKeySetSize
	}
	ks := &keySet{sum: sha256.Sum256(document), byAlg: map[string]keyfunc.Keyfunc{}, only: map[string]any{}, named: map[string][]any{}}
	stores, counts := map[string]jwkset.Storage{}, map[string]int{}
	for _, raw := range set.Keys {
		key, alg, ok := ks.usable(raw)
		if !ok {
			continue
		}
		used := false
		for _, a := range algorithms {
			if !fits(a, key.Key()) || alg != "" && alg != a {
				continue
			}
			if stores[a] == nil {
				stores[a] = jwkset.NewMemoryStorage()
			}
			_ = stores[a].KeyWrite(context.Background(), key) // memory: cannot fail
			ks.only[a] = key.Key()
			if id := a + " " + key.Marshal().KID; len(ks.named[id]) < MaxTwins {
				ks.named[id] = append(ks.named[id], key.Key())
			}
			counts[a]++
			used = true
		}
		if used {
			ks.keys++
		}
	}
	for a, store := range stores {
		kf, err := keyfunc.New(keyfunc.Options{Storage: store, UseWhitelist: []jwkset.USE{jwkset.UseSig, ""}})
		if err != nil {
			return nil, errNoUsable
		}
		ks.byAlg[a] = kf
		if counts[a] > 1 {
			delete(ks.only, a)
		}
	}
	if ks.keys == 0 {
		return nil, errNoUsable
	}
	return ks, nil
}

// usable turns one member of a set into a public key for signatures.
func (ks *keySet) usable(raw jsontext.Value) (key jwkset.JWK, alg string, ok bool) {
	var k jwk
	if json.Unmarshal(raw, &k) != nil || len(k.KID) > maxKIDBytes {
		return key, "", false
	}
	if len(k.D) > 0 || len(k.Secret) > 0 || k.KTY == "oct" {
		ks.exposed = ks.exposed || len(k.D) > 0
		return key, "", false // whoever publishes a secret has none
	}
	if k.Use != "" && k.Use != "sig" || k.Ops != nil && !slices.Contains(k.Ops, "verify") {
		return key, "", false
	}
	key, err := jwkset.NewJWKFromMarshal(jwkset.JWKMarshal{
		KTY: jwkset.KTY(k.KTY), USE: jwkset.USE(k.Use), ALG: jwkset.ALG(k.Alg), KID: k.KID,
		CRV: jwkset.CRV(k.CRV), X: k.X, Y: k.Y, N: k.N, E: k.E,
	}, jwkset.JWKMarshalOptions{}, jwkset.JWKValidateOptions{})
	if err != nil {
		return key, "", false
	}
	if ec, isEC := key.Key().(*ecdsa.PublicKey); isEC {
		if _, err := ec.ECDH(); err != nil { // not a point on its curve
			return key, "", false
		}
	}
	return key, k.Alg, true
}

// find returns the key that a token's header names, among those that fit its algorithm; without a kid, the only one. Ids are
// to be distinct (RFC 7517 §4.5, SHOULD), but not all servers see to it: then it is several keys, and any of them may verify.
func (ks *keySet) find(c *compact) (keys []any, ok bool) {
	if !c.hasKID {
		key, ok := ks.only[c.alg]
		return []any{key}, ok
	}
	if len(c.kid) > maxKIDBytes {
		return nil, false
	}
	keys = ks.named[c.alg+" "+c.kid]
	if len(keys) != 1 { // none, and no more is spent on that, or several
		return keys, len(keys) > 1
	}
	key, err := ks.byAlg[c.alg].Keyfunc(&jwt.Token{Header: map[string]any{"alg": c.alg, jwkset.HeaderKID: c.kid}})
	return []any{key}, err == nil
}

// verifies reports whether one of the keys made the token's signature.
func verifies(c *compact, keys []any) bool {
	method := jwt.GetSigningMethod(c.alg)
	return method != nil && slices.ContainsFunc(keys, func(key any) bool { return method.Verify(c.signed, c.signature, key) == nil })
}
