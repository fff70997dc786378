package authz

import "net/http"

// Reason says why a request was decided as it was. The zero value is no decision, and denies.
type Reason uint8

// All reasons, in the order of the decision.
const (
	Undecided           Reason = iota // the zero value
	Allowed                           // the only one that lets a request through
	NotCanonical                      // host or path can be read in two ways
	Metadata                          // answered with a metadata document, or the refusal of one
	ResourceUnknown                   // no declared resource covers host and path
	ResourceMismatch                  // the gateway's route names another resource
	RouteMismatch                     // the gateway matched a route that is not the resource's
	ResourceUnusable                  // declared, but not usable at present
	OriginNotAllowed                  // a page of a foreign origin
	Preflight                         // answered CORS preflight
	NoCredential                      //
	MultipleCredentials               //
	TokenMalformed                    // not one compact token, too long, or not the JSON that it must be
	TokenType                         // "typ" of something else than an access token
	TokenAlgorithm                    // not on the declaration's list
	TokenCritical                     // "crit" names something that nobody here processes
	TokenIssuer                       // none of the authorization servers of this resource
	TokenExpired                      //
	TokenNotYetValid                  // "nbf" or "iat" in the future
	TokenAudience                     // meant for somebody else, or for nobody
	TokenKeyUnknown                   // no such key at the authorization server
	TokenSignature                    //
	TokenKind                         // an ID token, or another token that is no access token
	TokenBound                        // bound to a key, presented as plain bearer
	TokenClaims                       // a claim that must be there is missing or has the wrong type
	KeysUnavailable                   // the keys of the authorization server cannot be had
	VerifierFailed                    // a verifier broke its contract
	UpgradeRefused                    // the body of an upgrade is seen by nobody
	MethodNotAllowed                  //
	InsufficientScope                 //
	Overloaded                        // more checks in flight than allowed
	Canceled                          // the deadline passed or the gateway gave up
	Panicked                          // a defect of ours
	NotConfigured                     // no configuration was ever accepted
	numReasons
)

// row is one kind of answer: what the table of docs/architecture.md says of it.
type row struct {
	name    string // in logs and metrics
	status  int    // HTTP
	oauth   string // "error" of the challenge
	bearer  bool   // whether there is a challenge
	scope   bool   // whether the challenge says what the resource requires
	code    int    // JSON-RPC error code
	message string // public; the challenge's error_description is what follows the colon
}

const (
	codeUnauthorized   = -32000
	codeInvalidRequest = -32600

	textMissing = "Unauthorized: Missing Authorization header with Bearer token"
	textInvalid = "Unauthorized: The access token is invalid"
)

// row looks the answer up. A reason without a row of its own is answered as 503: nobody decided.
func (r Reason) row() row {
	invalid := func(name string) row {
		return row{name, http.StatusUnauthorized, "invalid_token", true, true, codeUnauthorized, textInvalid}
	}
	unavailable := func(name, text string) row {
		return row{name: name, status: http.StatusServiceUnavailable, code: 503, message: "Service Unavailable: " + text}
	}
	badRequest := func(name, text string) row {
		return row{name: name, status: http.StatusBadRequest, code: codeInvalidRequest, message: "Bad Request: " + text}
	}
	switch r {
	case Allowed:
		return row{name: "allowed", status: http.StatusOK}
	case NotCanonical:
		return badRequest("not_canonical", "The host or path is not in canonical form")
	case Metadata:
		return row{name: "metadata", status: http.StatusOK}
	case ResourceUnknown:
		return row{name: "resource_unknown", status: http.StatusNotFound, code: 404, message: "Not Found: No protected resource is declared at this URL"}
	case ResourceMismatch:
		return row{name: "resource_mismatch", status: http.StatusNotFound, code: 404, message: "Not Found: No protected resource is declared at this URL"}
	case RouteMismatch:
		return row{name: "route_mismatch", status: http.StatusNotFound, code: 404, message: "Not Found: No protected resource is declared at this URL"}
	case ResourceUnusable:
		return unavailable("resource_unusable", "The protected resource cannot be used at present")
	case OriginNotAllowed:
		return row{name: "origin_not_allowed", status: http.StatusForbidden, code: 403, message: "Forbidden: The Origin is not allowed"}
	case Preflight:
		return row{name: "preflight", status: http.StatusNoContent}
	case NoCredential:
		return row{"no_credential", http.StatusUnauthorized, "", true, true, codeUnauthorized, textMissing}
	case MultipleCredentials:
		r := badRequest("multiple_credentials", "More than one credential was sent")
		r.oauth, r.bearer = "invalid_request", true
		return r
	case TokenMalformed:
		return invalid("token_malformed")
	case TokenType:
		return invalid("token_type")
	case TokenAlgorithm:
		return invalid("token_algorithm")
	case TokenCritical:
		return invalid("token_critical")
	case TokenIssuer:
		return invalid("token_issuer")
	case TokenExpired:
		r := invalid("token_expired")
		r.message = "Unauthorized: The access token expired"
		return r
	case TokenNotYetValid:
		return invalid("token_not_yet_valid")
	case TokenAudience:
		return invalid("token_audience")
	case TokenKeyUnknown:
		return invalid("token_key_unknown")
	case TokenSignature:
		return invalid("token_signature")
	case TokenKind:
		return invalid("token_kind")
	case TokenBound:
		return invalid("token_bound")
	case TokenClaims:
		return invalid("token_claims")
	case KeysUnavailable:
		return unavailable("keys_unavailable", "The access token cannot be judged at present")
	case VerifierFailed:
		return unavailable("verifier_failed", "The access token cannot be judged at present")
	case UpgradeRefused:
		return badRequest("upgrade_refused", "A protected resource cannot be upgraded to another protocol")
	case MethodNotAllowed:
		return row{name: "method_not_allowed", status: http.StatusMethodNotAllowed, code: codeInvalidRequest, message: "Method Not Allowed: A protected resource takes GET HEAD POST DELETE and OPTIONS"}
	case InsufficientScope:
		return row{"insufficient_scope", http.StatusForbidden, "insufficient_scope", true, true, 403, "Forbidden: The access token lacks a scope that this request needs"}
	case Overloaded:
		return unavailable("overloaded", "Too many requests are being checked")
	case Canceled:
		return unavailable("canceled", "The request could not be checked in time")
	case Panicked:
		return unavailable("panicked", "The request could not be checked")
	case NotConfigured:
		return unavailable("not_configured", "No configuration is in force")
	default:
		return unavailable("undecided", "The request could not be checked")
	}
}

// String is the name of the reason in logs and metrics. The set of names is constant.
func (r Reason) String() string { return r.row().name }

// Error makes a Reason the error of a Verifier.
func (r Reason) Error() string { return r.row().name }

// Status is the HTTP status that the reason is answered with; for Metadata the document's own counts.
func (r Reason) Status() int { return r.row().status }

// Reasons lists all reasons, the zero value included.
func Reasons() []Reason {
	all := make([]Reason, numReasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}
