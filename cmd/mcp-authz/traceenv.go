package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/mcp-authz/mcp-authz/internal/files"
)

// Transports of OTLP.
const (
	otlpHTTP = "http/protobuf"
	otlpGRPC = "grpc"
)

// Limits on the numbers in variables.
const (
	maxSpanQueue  = 1 << 20
	maxSpanMillis = 10 * 60 * 1000
)

// tracesProtocol is how the OTEL_* variables want spans to be exported: by otlpHTTP, by otlpGRPC, or not at all (""). The
// exporter reads the other variables itself and drops what it cannot read without a word, so they are judged here.
func tracesProtocol(env func(string) string) (string, error) {
	get := func(names ...string) (name, value string) {
		for _, name := range names { // the first that is set is in force
			if value := strings.TrimSpace(env(name)); value != "" {
				return name, value
			}
		}
		return names[0], ""
	}
	_, disabled := get("OTEL_SDK_DISABLED")
	name, exporter := get("OTEL_TRACES_EXPORTER")
	_, endpoint := get(otlp("ENDPOINT")...)
	switch exporter = strings.ToLower(exporter); {
	case strings.EqualFold(disabled, "true"), exporter == "none", exporter == "" && endpoint == "":
		return "", nil
	case exporter != "" && exporter != "otlp":
		return "", mistake(name, strconv.Quote(exporter), "otlp or none")
	}
	for _, r := range traceRules() {
		name, value := get(r.names...)
		if value == "" || r.good(value) {
			continue
		}
		found := strconv.Quote(cut(value))
		if r.secret {
			found = "what it holds"
		}
		return "", mistake(name, found, r.want)
	}
	for _, of := range []string{"OTEL_EXPORTER_OTLP_", "OTEL_EXPORTER_OTLP_TRACES_"} {
		_, certificate := get(of + "CLIENT_CERTIFICATE")
		_, key := get(of + "CLIENT_KEY")
		if certificate == "" && key == "" {
			continue
		}
		if _, err := tls.X509KeyPair(pemOf(certificate), pemOf(key)); err != nil {
			return "", mistake(of+"CLIENT_CERTIFICATE", strconv.Quote(cut(certificate)), "a file with a certificate in PEM, and "+of+"CLIENT_KEY the file with its key")
		}
	}
	if _, protocol := get(otlp("PROTOCOL")...); strings.EqualFold(protocol, otlpGRPC) {
		return otlpGRPC, nil
	}
	return otlpHTTP, nil
}

func mistake(name, found, want string) error {
	return fmt.Errorf("%s: found %s, expected %s; correct it, or start without traces by OTEL_SDK_DISABLED=true", name, found, want)
}

// otlp are the two names of a variable: for traces, and for every kind of telemetry.
func otlp(what string) []string {
	return []string{"OTEL_EXPORTER_OTLP_TRACES_" + what, "OTEL_EXPORTER_OTLP_" + what}
}

// traceRule says what may stand in a variable.
type traceRule struct {
	names  []string
	want   string
	good   func(string) bool
	secret bool // it may hold credentials, and is not repeated
}

func traceRules() []traceRule {
	millis := fmt.Sprintf("milliseconds, 1 to %d", maxSpanMillis)
	spans := fmt.Sprintf("1 to %d", maxSpanQueue)
	samplers := []string{"always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}
	return []traceRule{
		{names: otlp("PROTOCOL"), want: otlpGRPC + " or " + otlpHTTP, good: among(otlpGRPC, otlpHTTP)},
		{names: otlp("ENDPOINT"), want: "a URL such as http://collector:4318, without user, query and fragment", good: isEndpoint, secret: true},
		{names: otlp("HEADERS"), want: "name=value, more of them after a comma", good: arePairs, secret: true},
		{names: otlp("COMPRESSION"), want: "gzip or none", good: among("gzip", "none")},
		{names: otlp("TIMEOUT"), want: millis, good: upTo(maxSpanMillis)},
		{names: otlp("CERTIFICATE"), want: "a file with certificates in PEM", good: holdsCertificates},
		{names: []string{"OTEL_TRACES_SAMPLER"}, want: strings.Join(samplers, ", "), good: among(samplers...)},
		{names: []string{"OTEL_TRACES_SAMPLER_ARG"}, want: "a share, 0 to 1", good: isShare},
		{names: []string{"OTEL_SERVICE_NAME"}, want: "a name in UTF-8", good: utf8.ValidString},
		{names: []string{"OTEL_RESOURCE_ATTRIBUTES"}, want: "name=value, more of them after a comma", good: arePairs, secret: true},
		{names: []string{"OTEL_BSP_MAX_QUEUE_SIZE"}, want: spans, good: upTo(maxSpanQueue)},
		{names: []string{"OTEL_BSP_MAX_EXPORT_BATCH_SIZE"}, want: spans, good: upTo(maxSpanQueue)},
		{names: []string{"OTEL_BSP_SCHEDULE_DELAY"}, want: millis, good: upTo(maxSpanMillis)},
		{names: []string{"OTEL_BSP_EXPORT_TIMEOUT"}, want: millis, good: upTo(maxSpanMillis)},
	}
}

func among(values ...string) func(string) bool {
	return func(s string) bool { return slices.Contains(values, strings.ToLower(s)) }
}

func upTo(most int) func(string) bool {
	return func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && n >= 1 && n <= most
	}
}

func isShare(s string) bool {
	f, err := strconv.ParseFloat(s, 64)
	return err == nil && f >= 0 && f <= 1
}

func isEndpoint(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

func arePairs(s string) bool {
	for pair := range strings.SplitSeq(s, ",") {
		name, value, found := strings.Cut(pair, "=")
		name = strings.TrimSpace(name)
		value, err := url.PathUnescape(value)
		if err != nil || !found || name == "" || strings.ContainsFunc(name, isBlank) || !utf8.ValidString(value) { // else no export could be sent
			return false
		}
	}
	return true
}

func isBlank(r rune) bool { return r <= ' ' || r >= 0x7f }

func holdsCertificates(name string) bool { return x509.NewCertPool().AppendCertsFromPEM(pemOf(name)) }

// pemOf is what a file holds, nothing if it cannot be read as such a file should.
func pemOf(name string) []byte {
	ctx, cancel := context.WithTimeout(context.Background(), pemStart)
	defer cancel()
	data, _, err := (&files.Reader{Name: name, Limit: maxPEMBytes}).Read(ctx)
	if err != nil {
		return nil
	}
	return data
}
