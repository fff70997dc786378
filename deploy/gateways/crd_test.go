package gateways

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation/field"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	celconfig "k8s.io/apiserver/pkg/apis/cel"
	"sigs.k8s.io/yaml"
)

// kinds are the versions of custom kinds that an API server would know, by "apiVersion kind".
type kinds map[string]kind

type kind struct {
	schema     *apiextensions.JSONSchemaProps
	structural *schema.Structural
}

// add takes up the definitions in the files of a source.
func (all kinds) add(t *testing.T, s source) kinds {
	t.Helper()
	found := false
	for _, file := range s.files(t) {
		for _, object := range decode(t, file, readFile(t, file)) {
			if object["kind"] != "CustomResourceDefinition" {
				continue // a ValidatingAdmissionPolicy beside them
			}
			var v1 apiextensionsv1.CustomResourceDefinition
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &v1); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			var crd apiextensions.CustomResourceDefinition
			if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&v1, &crd, nil); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			for _, version := range crd.Spec.Versions {
				found = true
				known, err := apiextensions.GetSchemaForVersion(&crd, version.Name)
				if err != nil || known == nil {
					t.Fatalf("%s: no schema of %s %s: %v", file, crd.Name, version.Name, err)
				}
				structural, err := schema.NewStructural(known.OpenAPIV3Schema)
				if err != nil {
					t.Fatalf("%s: %s %s: %v", file, crd.Name, version.Name, err)
				}
				all[crd.Spec.Group+"/"+version.Name+" "+crd.Spec.Names.Kind] = kind{known.OpenAPIV3Schema, structural}
			}
		}
	}
	if !found {
		t.Fatalf("no definitions in %s", s)
	}
	return all
}

// problems are what an API server would say to the creation of an object, asked to be strict: its schema, unknown and repeated
// fields, lists that are maps, and rules in CEL.
func (all kinds) problems(t *testing.T, object map[string]any) (found []string) {
	t.Helper()
	name := fmt.Sprint(object["apiVersion"], " ", object["kind"])
	k, known := all[name]
	if !known {
		return []string{"nobody here knows " + name}
	}
	object = runtime.DeepCopyJSON(object)
	for _, path := range pruning.PruneWithOptions(object, k.structural, true, schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}) {
		found = append(found, "unknown field "+path)
	}
	defaulting.Default(object, k.structural)
	validator, _, err := validation.NewSchemaValidator(k.schema)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	errs := validation.ValidateCustomResource(nil, object, validator)
	errs = append(errs, listtype.ValidateListSetsAndMaps(nil, k.structural, object)...)
	if rules := cel.NewValidator(k.structural, true, celconfig.PerCallLimit); rules != nil && len(errs) == 0 {
		var more field.ErrorList
		more, _ = rules.Validate(context.Background(), nil, k.structural, object, nil, celconfig.RuntimeCELCostBudget)
		errs = append(errs, more...)
	}
	for _, err := range errs {
		found = append(found, err.Error())
	}
	return found
}

// decode reads all objects of a file, strictly: a key that stands twice is a mistake.
func decode(t *testing.T, name string, data []byte) (objects []map[string]any) {
	t.Helper()
	for reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data))); ; {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return objects
		}
		var object map[string]any
		if err == nil {
			var text []byte
			if text, err = yaml.YAMLToJSONStrict(document); err == nil {
				err = json.Unmarshal(text, &object) // whole numbers are int64, as in an API server
			}
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(object) > 0 {
			objects = append(objects, object)
		}
	}
}

// at is what stands at a dotted path, nil if there is nothing.
func at(v any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[key]
		case []any:
			var i int
			if n, err := fmt.Sscan(key, &i); n != 1 || err != nil || i < 0 || i >= len(in) {
				return nil
			}
			v = in[i]
		default:
			return nil
		}
	}
	return v
}
