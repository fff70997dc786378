package token

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/maypok86/otter/v2"
)

// digest is the SHA-256 of a token. Tokens themselves are not kept.
type digest [32]byte

// maxCached bounds how long a verification is remembered.
const maxCached = 5 * time.Minute

// verdict is a remembered verification of a signature.
type verdict struct {
	token *compact // without signature, signed part and key id
	epoch uint64   // of the keys that verified it
	until time.Time
}

// cache holds the verified tokens of one issuer, bounded in entries and in bytes. Only what verified gets in: a flood of
// garbage can neither fill it nor push anything out.
type cache struct {
	verdicts     *otter.Cache[digest, *verdict]
	hits, misses *atomic.Uint64
}

// newCache bounds both by one weight: an entry weighs what it takes, but at least an even share of the bytes, so that there
// are never more entries than shares.
func newCache(entries, bytes int) (cache, error) {
	entries = max(1, entries)
	if bytes <= 0 {
		bytes = entries * 4 << 10
	}
	share := (bytes + entries - 1) / entries
	verdicts, err := otter.New(&otter.Options[digest, *verdict]{
		MaximumWeight: uint64(bytes),
		Weigher: func(_ digest, v *verdict) uint32 {
			return uint32(min(uint64(max(share, v.token.size())), math.MaxUint32))
		},
		ExpiryCalculator: otter.ExpiryWriting[digest, *verdict](maxCached),
	})
	return cache{verdicts, new(atomic.Uint64), new(atomic.Uint64)}, err
}

func (c cache) size() (entries int, bytes uint64) {
	return c.verdicts.EstimatedSize(), c.verdicts.WeightedSize()
}

func (c cache) resize(bytes int) {
	c.verdicts.SetMaximum(uint64(max(1, bytes)))
	c.verdicts.CleanUp() // evicts now, not at the next write
}

// entryBytes is what an entry takes beside the claims: key, node, verdict, compact.
const entryBytes = 640

// size is what a token takes in memory while it is remembered.
func (c *compact) size() int {
	const header = 16 // of a string, and what an allocation wastes
	n := entryBytes + cap(c.claims.Payload)
	for _, s := range [...]string{c.iss, c.claims.Subject, c.claims.ClientID, c.azp, c.use, c.payloadType, c.typ} {
		n += len(s) + header
	}
	for _, list := range [...][]string{c.aud, c.claims.Scopes, c.scp} {
		for _, s := range list {
			n += len(s) + 2*header
		}
	}
	return n
}

// remembered returns a token whose signature was verified by keys that are still those in use.
func (i *Issuer) remembered(d digest, epoch uint64) *compact {
	v, ok := i.cache.verdicts.GetIfPresent(d)
	if !ok || v.epoch != epoch || time.Now().After(v.until) {
		return nil
	}
	i.cache.hits.Add(1)
	return v.token
}

// remember stores a verification under the epoch of the keys that made it, read before it was made.
func (i *Issuer) remember(d digest, c *compact, epoch uint64) {
	until := time.Now().Add(maxCached)
	if exp := time.UnixMilli(int64(*c.exp * 1000)).Add(i.Leeway); exp.Before(until) {
		until = exp
	}
	c.signed, c.signature, c.kid = "", nil, ""
	i.cache.verdicts.Set(d, &verdict{token: c, epoch: epoch, until: until})
}
