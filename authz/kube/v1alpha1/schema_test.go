package v1alpha1_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/common"
)

// definitions are the files that the chart installs.
const definitions = "../../../charts/mcp-authz/files/crds"

// kind is one of ours as an API server serves it: these are the server's own packages, in its own order.
type kind struct {
	name    string
	crd     *apiextensions.CustomResourceDefinition
	schema  *schema.Structural
	openAPI validation.SchemaValidator
	rules   *cel.Validator
}

// readKinds reads the definitions, by the names of their kinds.
func readKinds(t testing.TB) map[string]*kind {
	t.Helper()
	names, err := filepath.Glob(definitions + "/*.yaml")
	if err != nil || len(names) != 3 {
		t.Fatalf("definitions: %v, %v", names, err)
	}
	kinds := map[string]*kind{}
	for _, name := range names {
		k := newKind(t, readDefinition(t, name))
		kinds[k.name] = k
	}
	return kinds
}

func readDefinition(t testing.TB, name string) *apiextensions.CustomResourceDefinition {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var written apiextensionsv1.CustomResourceDefinition
	if data, err = yaml.ToJSON(data); err == nil {
		d := json.NewDecoder(bytes.NewReader(data))
		d.DisallowUnknownFields()
		err = d.Decode(&written)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	scheme, crd := runtime.NewScheme(), &apiextensions.CustomResourceDefinition{}
	if err := apiextensionsv1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	scheme.Default(&written)
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&written, crd, nil); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	crd.Status.StoredVersions = []string{"v1alpha1"} // the server does so
	return crd
}

func newKind(t testing.TB, crd *apiextensions.CustomResourceDefinition) *kind {
	t.Helper()
	written := openAPI(crd)
	structural, err := schema.NewStructural(written)
	if err != nil {
		t.Fatalf("%s: %v", crd.Name, err)
	}
	validator, _, err := validation.NewSchemaValidator(written)
	if err != nil {
		t.Fatalf("%s: %v", crd.Name, err)
	}
	return &kind{crd.Spec.Names.Kind, crd, structural, validator, cel.NewValidator(structural, true, celconfig.PerCallLimit)}
}

// openAPI is the schema of the only version.
func openAPI(crd *apiextensions.CustomResourceDefinition) *apiextensions.JSONSchemaProps {
	if crd.Spec.Validation != nil { // where all versions have the same
		return crd.Spec.Validation.OpenAPIV3Schema
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema
}

// verdict is what an API server makes of an object.
type verdict struct {
	stored  map[string]any  // with defaults, without unknown keys
	unknown []string        // keys left out of it; refused by name where the client asks for strictness, as kubectl does
	refused field.ErrorList // none: it is stored
}

// admit is what follows a create, or, with an old object, an update.
func (k *kind) admit(object, old map[string]any) verdict {
	v := verdict{stored: runtime.DeepCopyJSON(object)}
	defaulting.Default(v.stored, k.schema)
	v.unknown = pruning.PruneWithOptions(v.stored, k.schema, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true})
	defaulting.PruneNonNullableNullsWithoutDefaults(v.stored, k.schema)

	var before any // no map: an object that is not there has no keys either
	var rules []cel.Option
	if old == nil {
		v.refused = validation.ValidateCustomResource(nil, v.stored, k.openAPI)
	} else {
		before = old
		related := common.NewCorrelatedObject(v.stored, old, &model.Structural{Structural: k.schema})
		rules = append(rules, cel.WithRatcheting(related))
		v.refused = validation.ValidateCustomResourceUpdate(nil, v.stored, old, k.openAPI, validation.WithRatcheting(related))
	}
	v.refused = append(v.refused, listtype.ValidateListSetsAndMaps(nil, k.schema, v.stored)...)
	if blocked(v.refused) || k.rules == nil {
		return v
	}
	errs, _ := k.rules.Validate(context.Background(), nil, k.schema, v.stored, before, celconfig.RuntimeCELCostBudget, rules...)
	v.refused = append(v.refused, errs...)
	return v
}

// blocked: an object that is as wrong as that does not come to the rules.
func blocked(errs field.ErrorList) bool {
	for _, e := range errs {
		switch e.Type {
		case field.ErrorTypeNotSupported, field.ErrorTypeRequired, field.ErrorTypeTooLong, field.ErrorTypeTooMany, field.ErrorTypeTypeInvalid:
			return true
		default:
		}
	}
	return false
}

// object is one of the kind around a spec, which is written as JSON.
func (k *kind) object(t testing.TB, name, spec string) map[string]any {
	t.Helper()
	var inner any
	if err := utiljson.Unmarshal([]byte(spec), &inner); err != nil { // numbers as the server has them
		t.Fatalf("%v: %s", err, spec)
	}
	return map[string]any{
		"apiVersion": "mcp-authz.dev/v1alpha1", "kind": k.name,
		"metadata": map[string]any{"name": name}, "spec": inner,
	}
}
