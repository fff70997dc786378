package token

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"
)

// Limits on how keys are refreshed.
const (
	MinRefreshGap = 10 * time.Second // between fetches that tokens ask for
	MaxWaiters    = 32               // checks that wait for one issuer; the next is answered 503 at once
	WithdrawAfter = time.Minute      // of fetches that all bring a key set without a key of use: then there are none
	maxRetryDelay = 10 * time.Second
)

var (
	errTooManyWaiters = errors.New("too many checks wait for the keys of this authorization server")
	errFetchFailed    = errors.New("the keys could not be fetched")
)

// refresh is the schedule of an issuer's fetches, and those who wait for one.
type refresh struct {
	attempted chan struct{} // closed after the first attempt
	kick      chan struct{} // somebody waits

	mu        sync.Mutex
	once      sync.Once
	ended     chan struct{} // closed after each attempt, then replaced
	waiters   int
	running   bool      // an attempt is under way
	lastStart time.Time // of any attempt
	lastGood  time.Time // start of the last attempt that succeeded
	failures  int       // in a row
	cause     string    // of the last failure
}

func (r *refresh) init() {
	r.attempted, r.kick, r.ended = make(chan struct{}), make(chan struct{}, 1), make(chan struct{})
}

func (r *refresh) markAttempted() { r.once.Do(func() { close(r.attempted) }) }

func (r *refresh) status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Status{LastAttempt: r.lastStart, Failing: r.failures > 0, Cause: r.cause}
}

// unsettled reports whether the last fetch failed, or whether one is under way of which nobody knows how it ends.
func (r *refresh) unsettled() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures > 0 || r.running
}

// due reports whether a token may cause a fetch now.
func (r *refresh) due(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failures == 0 && now.Sub(r.lastStart) >= MinRefreshGap
}

// wait blocks until a fetch succeeded that began at since or later (any, for the zero time), an attempt of that kind failed,
// too many are waiting already, or ctx ended.
func (r *refresh) wait(ctx context.Context, since time.Time) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if missing := r.lastGood.IsZero() || r.lastGood.Before(since); missing && r.waiters >= MaxWaiters {
		return errTooManyWaiters
	}
	r.waiters++
	defer func() { r.waiters-- }()
	for r.lastGood.IsZero() || r.lastGood.Before(since) {
		ended := r.ended
		r.mu.Unlock()
		select {
		case r.kick <- struct{}{}:
		default:
		}
		var err error
		select {
		case <-ended:
		case <-ctx.Done():
			err = ctx.Err()
		}
		r.mu.Lock()
		if err != nil {
			return err
		}
		if r.failures > 0 && !r.lastStart.Before(since) {
			return errFetchFailed
		}
	}
	return nil
}

// Run keeps the keys fresh until ctx ends: on a schedule, at most MinRefreshGap apart when tokens ask, and after a failure
// again within 1, 2, 4 and at most 10 seconds.
func (i *Issuer) Run(ctx context.Context) {
	defer i.cache.verdicts.StopAllGoroutines()
	if i.JWKS != nil {
		<-ctx.Done()
		return
	}
	for ctx.Err() == nil {
		delay := i.attempt(ctx)
		i.refresh.sleep(ctx, delay)
	}
}

// attempt fetches once and returns when to fetch again.
func (i *Issuer) attempt(ctx context.Context) time.Duration {
	r := &i.refresh
	start := time.Now()
	r.mu.Lock()
	r.lastStart, r.running = start, true
	r.mu.Unlock()

	ks, err := i.fetch(ctx)
	if err == nil {
		i.install(ks, start)
	} else {
		i.withdraw(err, start)
	}

	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.markAttempted()
	r.running = false
	close(r.ended)
	r.ended = make(chan struct{})
	if err != nil {
		r.failures++
		r.cause = cause(err)
		if ctx.Err() == nil {
			i.Log.Warn("keys of an authorization server could not be refreshed", "authorization_server", i.Name, "cause", r.cause, "failures", r.failures)
		}
		// The longest delay counts from the start: a fetch that hung must not put the next one off.
		return min(time.Second<<min(r.failures-1, 4), maxRetryDelay-time.Since(start))
	}
	if r.failures > 0 || r.lastGood.IsZero() {
		i.Log.Info("keys of an authorization server are there", "authorization_server", i.Name, "keys", ks.keys)
	}
	r.failures, r.lastGood, r.cause = 0, start, ""
	return i.RefreshInterval - rand.N(i.RefreshInterval/10+1) // spread over replicas
}

// install puts a key set in force. The epoch moves only if the keys changed.
func (i *Issuer) install(ks *keySet, began time.Time) {
	i.noneSince = time.Time{}
	if old := i.keys.Load(); old == nil || old.sum != ks.sum {
		i.epoch++
	}
	ks.began, ks.epoch = began, i.epoch
	if ks.exposed {
		i.Log.Error("an authorization server publishes a private key; it is not used", "authorization_server", i.Name)
	}
	i.keys.Store(ks)
}

// withdraw takes the keys out of force once every fetch of WithdrawAfter brought a key set, and none a key of use: so all of
// them were withdrawn. One such answer is not enough, since servers that start or fail give it too, and any other failure
// says nothing of the keys.
func (i *Issuer) withdraw(err error, began time.Time) {
	switch {
	case !errors.Is(err, errNoUsable):
		i.noneSince = time.Time{}
	case i.noneSince.IsZero():
		i.noneSince = began
	case began.Sub(i.noneSince) >= WithdrawAfter && i.keys.Swap(nil) != nil:
		i.Log.Error("an authorization server has published no usable key for a minute; its tokens are not accepted until it does", "authorization_server", i.Name)
	}
}

// sleep waits for the next fetch. Whoever waits for keys makes it come sooner, but not within MinRefreshGap of the last one,
// and not while fetches fail: then the retry schedule, which is as dense, stands.
func (r *refresh) sleep(ctx context.Context, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			return
		case <-r.kick:
			r.mu.Lock()
			sooner := time.Until(r.lastStart.Add(MinRefreshGap))
			failing := r.failures > 0
			r.mu.Unlock()
			if !failing && sooner < delay {
				timer.Reset(max(0, sooner))
			}
		}
	}
}
