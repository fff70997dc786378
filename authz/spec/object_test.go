package spec_test

import (
	"encoding/json"
	"testing"

	"github.com/mcp-authz/mcp-authz/authz/spec"
)

// Whatever text JSON can hold is taken as it is, code points that YAML would fold among it.
func TestDecodeObjectTakesEveryText(t *testing.T) {
	for r := rune(0); r <= 0x10ffff; r++ {
		if r == 0x3000 {
			r = 0xd7f0 // letters, all alike
		}
		if r >= 0xd800 && r < 0xe000 || r > 0x10000 && r < 0x10fff0 {
			continue
		}
		want := "a" + string(r) + "b"
		data, err := json.Marshal(map[string]string{"resourceName": want})
		if err != nil {
			t.Fatal(err)
		}
		var got spec.ProtectedResourceSpec
		if problems := spec.DecodeObject("spec", data, spec.MaxObjectBytes, &got); len(problems) > 0 || got.ResourceName != want {
			t.Errorf("U+%04X: %q, %v", r, got.ResourceName, problems)
		}
	}
	for _, bad := range []string{"", "7", `{"resource": 7}`, `{} {}`, `{"resource": "a", "resource": "b"}`, `{"nobody": 1}`, `[`} {
		var got spec.ProtectedResourceSpec
		problems := spec.DecodeObject("spec", []byte(bad), spec.MaxObjectBytes, &got)
		if len(problems) == 0 {
			t.Errorf("%s is taken", bad)
		}
		for _, p := range problems {
			if len(p.Path) < 4 || p.Path[:4] != "spec" || p.Line != 0 {
				t.Errorf("%s: %v", bad, p)
			}
		}
	}
}
