package main

// Names of metrics. docs/operations.md lists them; a test compares.
const (
	metricDecisions      = "mcp_authz_decisions_total"           // by resource, outcome, reason
	metricDuration       = "mcp_authz_decision_duration_seconds" // by outcome
	metricLinesDropped   = "mcp_authz_log_lines_dropped_total"
	metricKeys           = "mcp_authz_issuer_keys" // by authorization_server
	metricKeysFetched    = "mcp_authz_issuer_keys_fetched_timestamp_seconds"
	metricKeysFailing    = "mcp_authz_issuer_keys_failing"
	metricConfigGood     = "mcp_authz_config_last_reload_successful"
	metricConfigTime     = "mcp_authz_config_last_applied_timestamp_seconds"
	metricConfigResource = "mcp_authz_config_resources"
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
	fieldTook      = "took_us"
)

// maxFieldBytes bounds whatever a client can write into the log.
const maxFieldBytes = 256
