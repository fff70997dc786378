package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func variables(of map[string]string) func(string) string {
	return func(name string) string { return of[name] }
}

// Traces are off unless a variable wants them, and off wins.
func TestWhetherTraces(t *testing.T) {
	const endpoint, traces, exporter, disabled = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER", "OTEL_SDK_DISABLED"
	const at, protocol, tracesProtocolName = "http://collector:4318", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	for _, c := range []struct {
		of   map[string]string
		want string
	}{
		{nil, ""},
		{map[string]string{"OTEL_SERVICE_NAME": "x", "OTEL_TRACES_SAMPLER": "always_on", protocol: "grpc"}, ""},
		{map[string]string{endpoint: " ", exporter: ""}, ""},
		{map[string]string{endpoint: at}, otlpHTTP},
		{map[string]string{traces: at}, otlpHTTP},
		{map[string]string{exporter: "otlp"}, otlpHTTP},
		{map[string]string{exporter: " OTLP "}, otlpHTTP},
		{map[string]string{exporter: "none", endpoint: at}, ""},
		{map[string]string{disabled: "true", endpoint: at}, ""},
		{map[string]string{disabled: "True", exporter: "otlp"}, ""},
		{map[string]string{disabled: "true", exporter: "zipkin", protocol: "x"}, ""}, // nobody needs what is off
		{map[string]string{disabled: "false", endpoint: at}, otlpHTTP},
		{map[string]string{disabled: "1", endpoint: at}, otlpHTTP}, // only "true" is true
		{map[string]string{endpoint: at, protocol: "grpc"}, otlpGRPC},
		{map[string]string{endpoint: at, protocol: "GRPC"}, otlpGRPC},
		{map[string]string{endpoint: at, protocol: "http/protobuf"}, otlpHTTP},
		{map[string]string{endpoint: at, protocol: "http/protobuf", tracesProtocolName: "grpc"}, otlpGRPC},
		{map[string]string{endpoint: at, protocol: "x", tracesProtocolName: "grpc"}, otlpGRPC}, // not in force
	} {
		if got, err := tracesProtocol(variables(c.of)); got != c.want || err != nil {
			t.Errorf("%v: %q, %v, want %q", c.of, got, err, c.want)
		}
	}
}

// What cannot be understood is named, with what would be, and never taken for something else. What may hold a credential is not
// repeated.
func TestMistakesInTraceVariables(t *testing.T) {
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ name, value, want string }{
		{"OTEL_TRACES_EXPORTER", "zipkin", "otlp or none"},
		{"OTEL_TRACES_EXPORTER", "otlp,console", "otlp or none"},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "grpc or http/protobuf"},
		{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "udp", "grpc or http/protobuf"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "a URL"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "10.0.0.1:4317", "a URL"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "http://", "a URL"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://collector", "a URL"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://MARKER:MARKER@collector", "a URL"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector?key=MARKER", "a URL"},
		{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://collector#MARKER", "a URL"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "MARKER", "name=value"},
		{"OTEL_EXPORTER_OTLP_HEADERS", "a=b,api key=MARKER", "name=value"},
		{"OTEL_EXPORTER_OTLP_TRACES_HEADERS", "a=%MARKER", "name=value"},
		{"OTEL_EXPORTER_OTLP_COMPRESSION", "zstd", "gzip or none"},
		{"OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "milliseconds, 1 to 600000"},
		{"OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "0", "milliseconds"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", folder + "/missing", "certificates in PEM"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", file("empty", ""), "certificates in PEM"},
		{"OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", file("alone", ""), "OTEL_EXPORTER_OTLP_CLIENT_KEY"},
		{"OTEL_EXPORTER_OTLP_TRACES_CLIENT_KEY", file("key", ""), "OTEL_EXPORTER_OTLP_TRACES_CLIENT_CERTIFICATE"},
		{"OTEL_TRACES_SAMPLER", "jaeger_remote", "parentbased_always_off"},
		{"OTEL_TRACES_SAMPLER_ARG", "1.1", "0 to 1"},
		{"OTEL_TRACES_SAMPLER_ARG", "-0.1", "0 to 1"},
		{"OTEL_TRACES_SAMPLER_ARG", "NaN", "0 to 1"},
		{"OTEL_RESOURCE_ATTRIBUTES", "MARKER", "name=value"},
		{"OTEL_RESOURCE_ATTRIBUTES", "team=%FFMARKER", "name=value"},
		{"OTEL_SERVICE_NAME", "\xff", "a name in UTF-8"},
		{"OTEL_EXPORTER_OTLP_CERTIFICATE", "/dev/zero", "a file with certificates in PEM"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "-1", "1 to 1048576"},
		{"OTEL_BSP_MAX_QUEUE_SIZE", "1048577", "1 to 1048576"},
		{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "x", "1 to 1048576"},
		{"OTEL_BSP_SCHEDULE_DELAY", "0", "milliseconds"},
		{"OTEL_BSP_EXPORT_TIMEOUT", "600001", "milliseconds, 1 to 600000"},
	} {
		of := map[string]string{"OTEL_TRACES_EXPORTER": "otlp", c.name: c.value}
		got, err := tracesProtocol(variables(of))
		if got != "" || err == nil {
			t.Errorf("%s=%s passes", c.name, c.value)
			continue
		}
		for _, want := range []string{c.name, c.want, "OTEL_SDK_DISABLED=true"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s=%s: %v; it does not say %q", c.name, c.value, err, want)
			}
		}
		if strings.Contains(err.Error(), "MARKER") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Everything that the page names passes, and the page names everything, with the same limits.
func TestOperationsListsTheTraceVariables(t *testing.T) {
	ca, files := newAuthority(t, "collector's"), folder{t, t.TempDir()}
	files.put("ca.crt", ca.pem())
	files.putLeaf(ca.leaf("mcp-authz", nil))
	good := map[string]string{
		"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "false", "OTEL_SERVICE_NAME": "x",
		"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4318/base", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://[::1]:4318",
		"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf", "OTEL_EXPORTER_OTLP_HEADERS": "api-key=a%20b=, x=", "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
		"OTEL_EXPORTER_OTLP_TIMEOUT": "1", "OTEL_EXPORTER_OTLP_CERTIFICATE": files.path("ca.crt"), "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE": files.path("cert.pem"), "OTEL_EXPORTER_OTLP_CLIENT_KEY": files.path("key.pem"),
		"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.25", "OTEL_RESOURCE_ATTRIBUTES": "a=b,deployment.environment.name=x",
		"OTEL_BSP_MAX_QUEUE_SIZE": "1048576", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "1", "OTEL_BSP_SCHEDULE_DELAY": "600000", "OTEL_BSP_EXPORT_TIMEOUT": "30000",
	}
	if got, err := tracesProtocol(variables(good)); got != otlpHTTP || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	var code, documented []string
	for name := range good {
		code = append(code, name)
	}
	for _, r := range table(t, "## Traces") {
		documented = append(documented, strings.Split(r[0], ", ")...)
	}
	same(t, "variables", code, documented)
	text := section(t, "## Traces")
	for _, r := range traceRules() {
		if !slices.ContainsFunc(r.names, func(name string) bool { return slices.Contains(documented, name) }) {
			t.Errorf("no row for %v", r.names)
		}
	}
	for _, want := range []string{fmt.Sprintf("1 to %d;", maxSpanQueue), fmt.Sprintf("1 to %d |", maxSpanMillis), fmt.Sprintf("have %.0f s", spanFlush.Seconds()), fmt.Sprintf("the %.0f s of", stopDeadline.Seconds())} {
		if !strings.Contains(strings.Join(strings.Fields(text), " "), want) {
			t.Errorf("## Traces does not say %q", want)
		}
	}
}

// A mistake ends the process before it listens, in words for people.
func TestStartWithMistakeInTraceVariables(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(file, []byte(ports+"resources: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "zipkin")
	out, errs, code := run(t, "serve", "--config", file)
	if want := regexp.MustCompile(`(?m)^mcp-authz: OTEL_TRACES_EXPORTER: found "zipkin", expected otlp or none; .*\n\z`); code != 1 || out != "" || !want.MatchString(errs) {
		t.Errorf("exit %d, %q, %q", code, out, errs)
	}
	t.Setenv("OTEL_TRACES_EXPORTER", "")
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
	authorities := filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(authorities, []byte(newAuthority(t, "collector's").pem()), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", authorities)
	if _, errs, code = run(t, "serve", "--config", file); code != 1 || !strings.HasPrefix(errs, "mcp-authz: OTEL_EXPORTER_OTLP_*: ") {
		t.Errorf("certificates without TLS: exit %d, %q", code, errs)
	}
}
