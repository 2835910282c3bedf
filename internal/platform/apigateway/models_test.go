package apigateway

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// A model may refer to itself and to other models; nothing else is read for it, no page and no file.
func TestModelReferences(t *testing.T) {
	fetched := false
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fetched = true
		w.Write([]byte(`{"type":"object"}`)) //nolint:errcheck // nobody should be there
	}))
	defer s.Close()
	file := filepath.Join(t.TempDir(), "schema.json")
	if err := os.WriteFile(file, []byte(`{"type":"object"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	model := func(name, schema string) types.Model {
		return types.Model{Name: aws.String(name), Schema: aws.String(schema)}
	}
	models := map[string]types.Model{
		"Pet": model("Pet", `{"type":"object","required":["name"],"properties":{"name":{"type":"string"}}}`),
		"All": model("All", `{"type":"array","items":{"$ref":"https://apigateway.amazonaws.com/restapis/abc/models/Pet"}}`),
		"Own": model("Own", `{"definitions":{"n":{"type":"integer","minimum":1}},"type":"object","properties":{"n":{"$ref":"#/definitions/n"}}}`),
	}
	for _, c := range []struct {
		name, body string
		want       bool
	}{
		{"Pet", `{"name":"Rex"}`, true},
		{"Pet", `{"name":7}`, false},
		{"Pet", `no JSON`, false},
		{"All", `[{"name":"Rex"},{"name":"Tom"}]`, true},
		{"All", `[{"name":"Rex"},{}]`, false},
		{"Own", `{"n":1}`, true},
		{"Own", `{"n":0}`, false},
	} {
		schema, err := compileSchema(models[c.name], models)
		if err != nil {
			t.Fatal(err)
		}
		if got := valid(schema, []byte(c.body)); got != c.want {
			t.Errorf("%s takes %s: %v", c.name, c.body, got)
		}
	}
	for _, schema := range []string{
		`{"$ref":"` + s.URL + `/x.json"}`, `{"items":{"$ref":"` + s.URL + `/x.json#/a"}}`, `{"id":"` + s.URL + `/","items":{"$ref":"x.json"}}`,
		`{"$ref":"file://` + file + `"}`, `{"$ref":"https://apigateway.amazonaws.com/restapis/abc/models/None"}`, `{"type":"fish"}`, `[`,
	} {
		m := model("Bad", schema)
		if _, err := compileSchema(m, map[string]types.Model{"Bad": m}); err == nil {
			t.Errorf("%s was compiled", schema)
		}
	}
	if fetched {
		t.Error("a page was fetched for a schema")
	}
}
