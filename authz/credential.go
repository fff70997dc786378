package authz

import "strings"

// credential is step 4: the bearer token of the Authorization field (RFC 6750 §2.1), the only place that is ever looked at.
// The Reason is Allowed if there is exactly one well-formed token. maxBytes bounds the token before anything else is done
// with it.
func credential(r *Request, maxBytes int) (token string, reason Reason) {
	value, lines := r.header("authorization")
	if lines == 0 {
		return "", NoCredential
	}
	if strings.IndexByte(value, ',') >= 0 {
		for element := range strings.SplitSeq(value, ",") {
			if hasBearerPrefix(strings.Trim(element, " \t")) {
				return "", MultipleCredentials
			}
		}
		return "", NoCredential
	}
	value = strings.Trim(value, " \t")
	scheme, token, _ := strings.Cut(value, " ")
	if !strings.EqualFold(scheme, "bearer") { // RFC 9110 §11.1: without regard to case
		return "", NoCredential
	}
	token = strings.TrimLeft(token, " ")
	switch {
	case token == "":
		return "", NoCredential
	case len(token) > maxBytes || !isB64Token(token):
		return "", TokenMalformed
	}
	return token, Allowed
}

func hasBearerPrefix(s string) bool {
	const scheme = "bearer"
	return len(s) >= len(scheme) && strings.EqualFold(s[:len(scheme)], scheme)
}

// b64TokenBytes are the characters of b64token but for the padding. A table, since tokens are long and what a branch would
// foretell of their bytes is wrong every few of them.
var b64TokenBytes = func() (set [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/") {
		set[c] = true
	}
	return set
}()

// isB64Token implements b64token of RFC 6750 §2.1.
func isB64Token(s string) bool {
	s = strings.TrimRight(s, "=")
	for i := 0; i < len(s); i++ {
		if !b64TokenBytes[s[i]] {
			return false
		}
	}
	return s != ""
}

// hasQueryToken reports whether the query has a parameter of exactly this name (RFC 6750 §2.3). It is never read, only
// removed on the way to the upstream.
func hasQueryToken(path string) bool {
	_, query, ok := strings.Cut(path, "?")
	if !ok {
		return false
	}
	for pair := range strings.SplitSeq(query, "&") {
		if name, _, _ := strings.Cut(pair, "="); name == queryToken {
			return true
		}
	}
	return false
}

const queryToken = "access_token"
