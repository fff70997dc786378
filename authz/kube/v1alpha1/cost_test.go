package v1alpha1_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// An API server takes the definitions: their schemas are structural, their rules compile, and neither a rule nor all of them
// together may cost more than it allows. A server that is older, or newer, may estimate otherwise, so that what is used is at
// most a tenth of that.
func TestDefinitionsAreTaken(t *testing.T) {
	for name, k := range readKinds(t) {
		t.Run(name, func(t *testing.T) {
			for _, err := range validation.ValidateCustomResourceDefinition(t.Context(), k.crd) {
				t.Error(err)
			}
			var total uint64
			for _, r := range rules(t, k.crd) {
				t.Logf("%9d of %d: %s: %s", r.cost, validation.StaticEstimatedCostLimit, r.path, r.text)
				if r.cost > validation.StaticEstimatedCostLimit/10 {
					t.Errorf("%s: %s: the estimate is %d", r.path, r.text, r.cost)
				}
				total += r.cost
			}
			t.Logf("%9d of %d: all of them", total, validation.StaticEstimatedCRDCostLimit)
			if total == 0 || total > validation.StaticEstimatedCRDCostLimit/10 {
				t.Errorf("all rules together: the estimate is %d", total)
			}
		})
	}
}

// What TestDefinitionsAreTaken relies on is there: one rule that costs too much is refused, many that are just cheap enough are,
// and so are one that does not compile and a schema that is not structural.
func TestDefinitionsThatAreNotTaken(t *testing.T) {
	resource := func(crd *apiextensions.CustomResourceDefinition) *apiextensions.JSONSchemaProps {
		spec := openAPI(crd).Properties["spec"]
		r := spec.Properties["resource"]
		return &r
	}
	put := func(crd *apiextensions.CustomResourceDefinition, r *apiextensions.JSONSchemaProps) {
		openAPI(crd).Properties["spec"].Properties["resource"] = *r
	}
	const (
		one = "estimated rule cost exceeds budget"
		all = "estimated rule cost total for entire OpenAPIv3 schema exceeds budget"
	)
	for _, c := range []struct {
		what, want string
		spoil      func(*apiextensions.JSONSchemaProps)
	}{
		{"an expensive rule", one, func(r *apiextensions.JSONSchemaProps) {
			r.XValidations = append(r.XValidations, apiextensions.ValidationRule{
				Rule: "isURL(self) && url(self).getEscapedPath().split('/').all(s, url(self).getEscapedPath().split('/').exists(o, o == s) && url(self).getHostname().matches(s))",
			})
		}},
		{"a rule on a string of any length", one, func(r *apiextensions.JSONSchemaProps) {
			r.MaxLength = nil
			r.XValidations = append(r.XValidations, apiextensions.ValidationRule{Rule: "self.split('').all(a, self.split('').exists_one(b, a == b))"})
		}},
		{"many rules", all, func(r *apiextensions.JSONSchemaProps) {
			long := int64(900_000)
			r.MaxLength = &long
			for range 16 { // each below what one may cost
				r.XValidations = append(r.XValidations, apiextensions.ValidationRule{Rule: strings.Repeat("self.contains('a') || ", 20) + "self.contains('b')"})
			}
		}},
		{"a rule that does not compile", "undeclared reference", func(r *apiextensions.JSONSchemaProps) {
			r.XValidations = append(r.XValidations, apiextensions.ValidationRule{Rule: "self == old.resource"})
		}},
		{"a schema that is not structural", "type", func(r *apiextensions.JSONSchemaProps) { r.Type = "" }},
	} {
		t.Run(c.what, func(t *testing.T) {
			crd := readKinds(t)["ProtectedResource"].crd
			r := resource(crd)
			c.spoil(r)
			put(crd, r)
			errs := validation.ValidateCustomResourceDefinition(t.Context(), crd)
			said := fmt.Sprint(errs.ToAggregate())
			if !strings.Contains(said, c.want) || c.what == "many rules" && strings.Contains(said, one) {
				t.Errorf("refused with %s, want %q", said, c.want)
			}
		})
	}
}

type estimate struct {
	path, text string
	cost       uint64
}

// rules are those of a definition, with what the server estimates for an object as large as the schema allows.
func rules(t *testing.T, crd *apiextensions.CustomResourceDefinition) (all []estimate) {
	t.Helper()
	var walk func(*field.Path, *apiextensions.JSONSchemaProps, *validation.CELSchemaContext)
	walk = func(path *field.Path, s *apiextensions.JSONSchemaProps, within *validation.CELSchemaContext) {
		if len(s.XValidations) > 0 {
			info, err := within.TypeInfo()
			if err != nil || info == nil {
				t.Fatalf("%s: %v", path, err)
			}
			compiled, err := cel.Compile(info.Schema, info.DeclType, celconfig.PerCallLimit,
				environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()), cel.NewExpressionsEnvLoader())
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			for i, c := range compiled {
				times := c.MaxCardinality
				if within.MaxCardinality != nil {
					times = *within.MaxCardinality
				}
				cost := uint64(math.MaxUint64)
				if times == 0 || c.MaxCost <= cost/times {
					cost = c.MaxCost * times
				}
				all = append(all, estimate{path.String(), s.XValidations[i].Rule, cost})
			}
		}
		for name, p := range s.Properties {
			walk(path.Child(name), &p, within.ChildPropertyContext(&p, name))
		}
		if s.Items != nil && s.Items.Schema != nil {
			walk(path.Key("*"), s.Items.Schema, within.ChildItemsContext(s.Items.Schema))
		}
		if s.AdditionalProperties != nil && s.AdditionalProperties.Schema != nil {
			walk(path.Key("*"), s.AdditionalProperties.Schema, within.ChildAdditionalPropertiesContext(s.AdditionalProperties.Schema))
		}
	}
	root := openAPI(crd)
	walk(field.NewPath(crd.Spec.Names.Kind), root, validation.RootCELContext(root))
	return all
}
