package kube

import (
	"fmt"
	"strconv"

	"github.com/mcp-authz/mcp-authz/authz/kube/v1alpha1"
	"github.com/mcp-authz/mcp-authz/authz/spec"
)

const maxTargets = 16

// targetProblems validates what a ProtectedResource says beside the file's words: what its schema says, for one that is older.
func targetProblems(s *v1alpha1.ProtectedResourceSpec) (problems []spec.Problem) {
	add := func(path, found, expected, next string) {
		problems = append(problems, spec.Problem{Path: path, Found: found, Expected: expected, Next: next})
	}
	if m := s.MetadataRoutes; m != v1alpha1.MetadataRoutesAuto && m != v1alpha1.MetadataRoutesNone {
		add("spec.metadataRoutes", strconv.Quote(m), "Auto or None", "remove it for Auto")
	}
	if len(s.TargetRefs) > maxTargets {
		add("spec.targetRefs", fmt.Sprintf("%d entries", len(s.TargetRefs)), fmt.Sprintf("at most %d", maxTargets), "")
	}
	for i, t := range s.TargetRefs {
		at := fmt.Sprintf("spec.targetRefs[%d]", i)
		if t.Group != "" && t.Group != httpRoutes().Group {
			add(at+".group", strconv.Quote(t.Group), httpRoutes().Group, "remove it")
		}
		if t.Kind != "" && t.Kind != kindHTTPRoute {
			add(at+".kind", strconv.Quote(t.Kind), kindHTTPRoute, "remove it; nothing else can be a target")
		}
		if t.Name == "" {
			add(at+".name", "nothing", "the name of an HTTPRoute of this namespace", "")
		}
	}
	return problems
}
