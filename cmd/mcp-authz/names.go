package main

// Names of metrics. docs/operations.md lists them; a test compares.
const (
	metricDecisions      = "mcp_authz_decisions_total"           // by resource, outcome, reason
	metricDuration       = "mcp_authz_decision_duration_seconds" // by outcome
	metricLinesDropped   = "mcp_authz_log_lines_dropped_total"
	metricKeys           = "mcp_authz_issuer_keys" // by authorization_server
	metricKeysFetched    = "mcp_authz_issuer_keys_fetched_timestamp_seconds"
	metricKeysFailing    = "mcp_authz_issuer_keys_failing"
	metricCacheEntries   = "mcp_authz_token_cache_entries" // by authorization_server, as the next three
	metricCacheBytes     = "mcp_authz_token_cache_bytes"
	metricCacheHits      = "mcp_authz_token_cache_hits_total"
	metricSignatures     = "mcp_authz_token_signatures_total"
	metricConfigGood     = "mcp_authz_config_last_reload_successful"
	metricConfigTime     = "mcp_authz_config_last_applied_timestamp_seconds"
	metricConfigResource = "mcp_authz_config_resources"
	metricTLSGood        = "mcp_authz_tls_last_reload_successful"               // by listener
	metricTLSEnds        = "mcp_authz_tls_certificate_expiry_timestamp_seconds" // by listener
	metricSynced         = "mcp_authz_kubernetes_synced"                        // this and the next three beside a cluster only
	metricLeading        = "mcp_authz_kubernetes_leading"
	metricDeclared       = "mcp_authz_kubernetes_protected_resources" // by state
	metricWatchErrors    = "mcp_authz_kubernetes_watch_errors_total"
	metricBuild          = "mcp_authz_build_info" // by version, revision, go_version
)

// Outcomes of a decision: a label value and a log field.
const (
	outcomeAllow  = "allow"
	outcomeDeny   = "deny"
	outcomeAnswer = "answer" // metadata documents and preflights: answered here, nobody was refused anything
)

// Fields of a decision's log line, beside slog's time, level and msg.
const (
	fieldDecision  = "decision"
	fieldOutcome   = "outcome"
	fieldReason    = "reason"
	fieldStatus    = "status"
	fieldResource  = "resource"
	fieldMethod    = "method"
	fieldHost      = "host"
	fieldPath      = "path" // without the query
	fieldIssuer    = "issuer"
	fieldSubject   = "subject"
	fieldClientID  = "client_id"
	fieldMCPMethod = "claimed_mcp_method"
	fieldMCPName   = "claimed_mcp_name"
	fieldTraceID   = "trace_id"
	fieldTook      = "took_us"
)

// Attributes of a check's span, beside those of otelgrpc.
const (
	attrDecision  = "mcp_authz.decision"
	attrOutcome   = "mcp_authz.outcome"
	attrReason    = "mcp_authz.reason"
	attrStatus    = "mcp_authz.status"
	attrResource  = "mcp_authz.resource"
	attrMCPMethod = "mcp_authz.claimed_mcp_method"
	attrMCPName   = "mcp_authz.claimed_mcp_name"
)

// maxFieldBytes bounds whatever a client can write into the log or a span.
const maxFieldBytes = 256
