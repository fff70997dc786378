package e2e

import (
	"net/http"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Speed is not what is shown here: on a busy machine, too, no deadline passes, and no health check fails without a reason.
const unhurriedConfig = "limits: {checkDeadline: 10s}\n"

var (
	unhurried = []edit{{"timeout: 2.5s # room", "timeout: 50s # room"}, {"max_interval: 1.3s", "max_interval: 25s"}}
	// soon lets health checks see within a test what they see anyhow.
	soon = edit{"    - timeout: 1s\n      interval: 2s\n      no_traffic_interval: 2s", "    - timeout: 20s\n      interval: 0.1s\n      no_traffic_interval: 0.1s"}
)

func noHealthChecks(t testing.TB) edit {
	return without(t, "    health_checks:", "    typed_extension")
}

// TestDrain: I-18: two instances behind a real Envoy under steady traffic are ended, started again, replaced by another build and
// killed, one after the other. With the shipped file no request fails, and neither without its health checks and without any
// drainDelay; of a killed instance at most those could whose answer was on its way.
func TestDrain(t *testing.T) {
	v2 := filepath.Join(t.TempDir(), "mcp-authz")
	if out, err := exec.Command("go", "build", "-C", root, "-ldflags", "-X main.version=v2", "-o", v2, "./cmd/mcp-authz").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	for _, version := range []string{oldest, newest} {
		for _, form := range []struct {
			name, drainDelay string
			edit             edit
		}{{"shipped", "drainDelay: 1s\n", soon}, {"no health checks", "drainDelay: 0s\n", noHealthChecks(t)}} {
			t.Run(version+" "+form.name, func(t *testing.T) {
				p := newPair(t, version, unhurriedConfig+form.drainDelay, append([]edit{form.edit}, unhurried...)...)
				f := steady(t, p.envoy.addr, p.token)
				p.bothDecide(t)
				step := func(name string, do func(t *testing.T)) {
					if t.Failed() {
						return
					}
					t.Run(name, func(t *testing.T) {
						good, again := f.good.Load(), p.envoy.counted(t, "upstream_rq_retry")
						do(t)
						t.Logf("%d requests were answered as they should; %d checks were asked again", f.good.Load()-good, p.envoy.counted(t, "upstream_rq_retry")-again)
						f.noneFailed(t)
						p.up.wasGuarded(t)
					})
				}
				step("SIGTERM", func(t *testing.T) {
					cut := p.envoy.counted(t, "upstream_cx_destroy_remote_with_active_rq")
					p.a.end(t)
					p.b.decides(t)
					if now := p.envoy.counted(t, "upstream_cx_destroy_remote_with_active_rq"); now != cut {
						t.Errorf("connections closed under a check: %d", now-cut)
					}
				})
				step("restart", func(t *testing.T) {
					p.a.start(bin + "/mcp-authz")
					p.bothDecide(t)
				})
				step("upgrade", func(t *testing.T) {
					for n, i := range []*instance{p.a, p.b} {
						i.end(t)
						i.start(v2)
						p.bothDecide(t)
						if got := [2]bool{p.a.isVersion(t, "v2"), p.b.isVersion(t, "v2")}; got != [2]bool{true, n == 1} {
							t.Errorf("instances of v2: %v", got)
						}
					}
				})
				step("SIGKILL", func(t *testing.T) {
					p.a.kill()
					f.phase.Add(1)
					p.b.decides(t)
					cut := f.failed()
					t.Logf("%d requests failed", len(cut))
					for _, one := range cut {
						if one.phase == f.phase.Load() || !one.byEnvoy() {
							t.Errorf("failed, and not because its check was in flight: %+v", one)
						}
					}
					if len(cut) > clients {
						t.Errorf("%d requests failed, but no more than %d can have been in flight at the kill", len(cut), clients)
					}
				})
				step("restart after SIGKILL", func(t *testing.T) {
					p.a.start(v2)
					p.bothDecide(t)
				})
			})
		}
	}
}

// TestKillWithChecksInFlight: I-18: what an instance that is killed had not answered is asked again of the other, the largest
// checks included: no request fails, with a token or without.
func TestKillWithChecksInFlight(t *testing.T) {
	for _, version := range []string{oldest, newest} {
		t.Run(version, func(t *testing.T) {
			p := newPair(t, version, unhurriedConfig, append([]edit{noHealthChecks(t)}, unhurried...)...)
			p.a.freeze(t)
			f := &traffic{}
			const all = 64
			var sent sync.WaitGroup
			for n := range all {
				sent.Go(func() {
					client := newClient()
					defer client.CloseIdleConnections()
					large := slices.Repeat([]string{strings.Repeat("x", 4<<10)}, n%4/2*10) // 40 KiB
					f.send(client, p.envoy.addr, [2]string{p.token, ""}[n%2], large...)
				})
			}
			waiting := 0
			eventually(t, "all others are answered", func() bool {
				waiting = p.envoy.sees(t, p.a).active
				return waiting > 0 && int(f.good.Load())+waiting == all
			})
			p.a.kill()
			sent.Wait()
			t.Logf("%d checks were in flight at the kill; %d requests failed", waiting, len(f.bad))
			f.noneFailed(t)
			p.up.wasGuarded(t)
			if n := p.envoy.counted(t, "retry_or_shadow_abandoned"); n != 0 {
				t.Errorf("%d checks were too large to be asked again", n)
			}
		})
	}
}

// TestHang: I-18, I-20: an instance that hangs costs time, but lets nobody in: its checks are asked again of the other, and who is
// refused meanwhile is refused by Envoy, with 503. When it goes on it takes part again.
func TestHang(t *testing.T) {
	for _, version := range []string{oldest, newest} {
		for name, edits := range map[string][]edit{"shipped": nil, "no health checks": {noHealthChecks(t)}} {
			t.Run(version+" "+name, func(t *testing.T) {
				p := newPair(t, version, "", edits...)
				f := steady(t, p.envoy.addr, p.token)
				p.bothDecide(t)
				p.a.freeze(t)
				before := f.good.Load()
				eventually(t, "checks of the one that hangs are given up", func() bool {
					return p.envoy.counted(t, "upstream_rq_per_try_timeout") >= clients && f.good.Load() > before+2*clients
				})
				if name == "shipped" {
					eventually(t, "Envoy sees that it hangs", func() bool { return p.envoy.sees(t, p.a).failing })
				}
				during := f.good.Load() - before
				p.a.signal(t, syscall.SIGCONT)
				p.bothDecide(t)
				failed := f.failed()
				t.Logf("%d requests were answered as they should while it hung; %d failed", during, len(failed))
				for _, one := range failed {
					if !one.byEnvoy() {
						t.Errorf("%+v", one)
					}
				}
				p.up.wasGuarded(t)
			})
		}
	}
}

// TestTheOnlyInstance: I-18, I-20, I-21: where there is no other to ask, a hang ends by Envoy's deadline, which asking again does
// not put off; and a health check that failed makes no restart longer: Envoy asks an instance that it takes for dead.
func TestTheOnlyInstance(t *testing.T) {
	for _, version := range []string{oldest, newest} {
		t.Run(version, func(t *testing.T) {
			config, token := oneResource("")
			only, up := newInstance(t, "127.0.0.2:0", config), newGuarded(t)
			never := edit{"healthy_threshold: 1", "healthy_threshold: 1000000"} // what was dead once stays so for the health check
			envoy := startEnvoy(t, version, envoyFile(t, shipped, up.addr, endpoints(only), soon, never))
			client := newClient()
			defer client.CloseIdleConnections()
			want := func(what, token string, status int) {
				t.Helper()
				if got := ask(client, envoy.addr, token); got.status != status || status == http.StatusServiceUnavailable && got.body != "" {
					t.Errorf("%s: %d %q, want %d", what, got.status, got.body, status)
				}
			}
			want("at first", token, 200)
			only.freeze(t)
			want("it hangs", token, 503)
			want("it hangs, no token", "", 503)
			if n := envoy.counted(t, "upstream_rq_timeout"); n != 2 {
				t.Errorf("Envoy's deadline ended %d checks, want 2", n)
			}
			only.kill()
			eventually(t, "Envoy sees that it is dead", func() bool { return envoy.sees(t, only).failing })
			want("it is dead", token, 503)
			want("it is dead, no token", "", 503)
			only.start(bin + "/mcp-authz")
			want("it is back", token, 200)
			want("it is back, no token", "", 401)
			if !envoy.sees(t, only).failing {
				t.Error("Envoy no longer takes it for dead: this shows nothing")
			}
			up.wasGuarded(t)
		})
	}
}

// TestDrainIsSeen: I-18: an instance that drains says so and serves on until gateways have noticed: then, with health checks alone
// and nothing asked again, it can go without a failed request.
func TestDrainIsSeen(t *testing.T) {
	noRetry := without(t, "                retry_policy:", "              # No answer is a refusal")
	p := newPair(t, newest, unhurriedConfig+"drainDelay: 5m\n", soon, noRetry, unhurried[0])
	f := steady(t, p.envoy.addr, p.token)
	p.bothDecide(t)
	p.a.signal(t, syscall.SIGTERM)
	eventually(t, "it says that it drains", func() bool { return p.a.running() && answers("http://"+p.a.admin+"/readyz", 503) })
	eventually(t, "Envoy asks the other alone", func() bool {
		before := p.a.decided(t)
		p.b.decides(t)
		return p.a.decided(t) == before && p.envoy.sees(t, p.a) == view{failing: true}
	})
	p.a.kill()
	p.b.decides(t)
	t.Logf("%d requests were answered as they should", f.good.Load())
	f.noneFailed(t)
	p.up.wasGuarded(t)
}
