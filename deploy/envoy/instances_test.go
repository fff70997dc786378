package envoy_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// I-18, I-21: a check without an answer is asked again, of another instance, with time left before the client is refused. One that
// mcp-authz may still be deciding is not: its own answer comes first.
func TestWhatIsAskedAgain(t *testing.T) {
	service, limits := at(extAuthz(t), "grpc_service"), configuration(t).Limits
	equal(t, service, "retry_policy.retry_on", "reset")
	equal(t, service, "retry_policy.retry_host_predicate.0.name", "envoy.retry_host_predicates.previous_hosts")
	if first := duration(t, service, "retry_policy.retry_back_off.base_interval"); first > 100*time.Millisecond {
		t.Errorf("Envoy waits up to %v before it asks again", first)
	}
	whole, try := duration(t, service, "timeout"), duration(t, service, "retry_policy.retry_back_off.max_interval")
	if try < limits.CheckDeadline+200*time.Millisecond || whole < try+limits.CheckDeadline+200*time.Millisecond {
		t.Errorf("of %v one try may take %v, beside a checkDeadline of %v", whole, try, limits.CheckDeadline)
	}
	most := at(ownCluster(t), "circuit_breakers.thresholds.0.max_requests")
	equal(t, ownCluster(t), "circuit_breakers.thresholds.0.max_retries", most) // 3 otherwise, and a dead instance leaves many
}

// An instance that drains, and says so, is out of use before it goes. That no instance is healthy does not stop Envoy from asking.
func TestDrainIsNoticed(t *testing.T) {
	check := at(ownCluster(t), "health_checks.0")
	equal(t, check, "grpc_health_check.service_name", "envoy.service.auth.v3.Authorization")
	equal(t, check, "no_traffic_interval", at(check, "interval"))
	equal(t, check, "healthy_threshold", 1)
	equal(t, ownCluster(t), "common_lb_config.healthy_panic_threshold.value", 1) // 0 would be: never
	absent(t, ownCluster(t), "health_checks.1", "outlier_detection")
	tries, _ := at(check, "unhealthy_threshold").(int)
	noticed := time.Duration(tries)*(duration(t, check, "interval")+duration(t, check, "timeout")) + merged
	usual, _ := spec.Load([]byte("resources: []\n"))
	if tries < 1 || noticed > usual.DrainDelay {
		t.Errorf("a drain is noticed after %v at worst, and takes %v unless told", noticed, usual.DrainDelay)
	}
}

// The times that docs/operations.md names are those of the file.
func TestDrainTimes(t *testing.T) {
	_, text, _ := strings.Cut(string(read(t, "../../docs/operations.md")), "\n## Drain\n")
	text, _, _ = strings.Cut(text, "\n## ")
	text = strings.Join(strings.Fields(text), " ")
	service, check := at(extAuthz(t), "grpc_service"), at(ownCluster(t), "health_checks.0")
	tries, _ := at(check, "unhealthy_threshold").(int)
	interval, timeout := duration(t, check, "interval"), duration(t, check, "timeout")
	seconds := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s" }
	for _, want := range []string{
		seconds(duration(t, service, "retry_policy.retry_back_off.max_interval")) + " longer",
		"503 after " + seconds(duration(t, service, "timeout")),
		"drains is left out within " + seconds(time.Duration(tries)*interval+merged),
		"hangs within " + seconds(time.Duration(tries)*(interval+timeout)+merged),
		"within " + seconds(interval+timeout+merged) + " | it answers again",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the section Drain does not say %q", want)
		}
	}
}

// merged is for how long Envoy gathers changes of health before it acts on them.
const merged = time.Second

// ownCluster is that of mcp-authz.
func ownCluster(t *testing.T) any {
	t.Helper()
	all, _ := at(root(t), "static_resources.clusters").([]any)
	for _, c := range all {
		if at(c, "name") == at(extAuthz(t), "grpc_service.envoy_grpc.cluster_name") {
			return c
		}
	}
	t.Fatal("the cluster of ext_authz does not exist")
	return nil
}

func duration(t *testing.T, v any, path string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(fmt.Sprint(at(v, path)))
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return d
}
