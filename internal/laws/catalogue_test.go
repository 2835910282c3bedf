package laws

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/platform/apigateway"
	"github.com/tealdeploy/teal/internal/platform/apigatewayv2"
	"github.com/tealdeploy/teal/internal/platform/cloudwatch"
	"github.com/tealdeploy/teal/internal/platform/codedeploy"
	"github.com/tealdeploy/teal/internal/platform/lambda"
	"github.com/tealdeploy/teal/internal/platform/logs"
	"github.com/tealdeploy/teal/internal/platform/route53"
	"github.com/tealdeploy/teal/internal/platform/s3"
	"github.com/tealdeploy/teal/internal/platform/sqs"
	"github.com/tealdeploy/teal/internal/platform/states"
	"github.com/tealdeploy/teal/internal/platform/sts"
)

var update = flag.Bool("update", false, "write the parts of the documents that are made from the code")

const (
	catalogueBegin = "<!-- operations: made by go test ./internal/laws -run OperationCatalogue -update -->\n"
	catalogueEnd   = "<!-- operations: end -->\n"
)

// services are the platform's tables. A table needs nothing of its service until an operation is called.
func services() []struct {
	title string
	api   *awsproto.Service
} {
	return []struct {
		title string
		api   *awsproto.Service
	}{
		{"Lambda", new(lambda.Service).API()},
		{"Step Functions", new(states.Service).API()},
		{"API Gateway, REST APIs (v1)", new(apigateway.Service).API()},
		{"API Gateway, HTTP APIs (v2)", new(apigatewayv2.Service).API()},
		{"CodeDeploy", new(codedeploy.Service).API()},
		{"Route 53", new(route53.Service).API()},
		{"S3", new(s3.Service).API()},
		{"SQS", new(sqs.Service).API()},
		{"CloudWatch", new(cloudwatch.Service).API()},
		{"CloudWatch Logs", new(logs.Service).API()},
		{"STS", new(sts.Service).API()},
	}
}

// Why: the tables are what is served, so a list by hand would be a second one, and wrong after the next operation.
func TestOperationCatalogue(t *testing.T) {
	const path = "../../docs/platform.md"
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begins := strings.Cut(string(text), catalogueBegin)
	have, after, ends := strings.Cut(rest, catalogueEnd)
	if !begins || !ends {
		t.Fatalf("docs/platform.md has lost the comments between which the operations stand: %q and %q", catalogueBegin, catalogueEnd)
	}
	want := catalogue()
	switch {
	case have == want:
	case *update:
		if err := os.WriteFile(path, []byte(before+catalogueBegin+want+catalogueEnd+after), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("docs/platform.md does not list the operations that are served: run go test ./internal/laws -run OperationCatalogue -update")
	}
}

// Why: platform.New is what is served, so a service that it mounts must be in the catalogue.
func TestCatalogueHasEveryService(t *testing.T) {
	listed := map[string]bool{}
	for _, s := range services() {
		if len(s.api.Operations) == 0 {
			t.Errorf("the table of %s is empty", s.title)
		}
		listed[s.api.Name] = true
	}
	for _, f := range sources(t) {
		if rest, ok := strings.CutPrefix(f.name, "internal/platform/"); ok && strings.HasSuffix(rest, "/service.go") {
			name := strings.TrimSuffix(rest, "/service.go")
			if name == "cloudwatch" {
				name = "monitoring" // as AWS's endpoints and signatures call it
			}
			if !listed[name] {
				t.Errorf("%s is in no catalogue: add it to services in catalogue_test.go", f.pkg)
			}
		}
	}
}

// Why: the platform prepares a service at its first request, so a table that cannot be served would be found by a user.
func TestTablesCanBeServed(t *testing.T) {
	var all []*awsproto.Service
	for _, s := range services() {
		all = append(all, s.api)
	}
	if _, err := awsproto.NewMux(awsproto.Config{}, all...); err != nil {
		t.Error(err)
	}
}

func catalogue() string {
	var b strings.Builder
	b.WriteString("\n| service | protocols | operations |\n|---|---|---|\n")
	for _, s := range services() {
		var protocols, operations []string
		for _, p := range s.api.Protocols {
			protocols = append(protocols, p.String())
		}
		for _, o := range s.api.Operations {
			if !o.Refused() {
				operations = append(operations, o.Name())
			}
		}
		slices.Sort(operations)
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.title, strings.Join(protocols, ", "), strings.Join(operations, ", "))
	}
	b.WriteString("\n")
	return b.String()
}
