package states

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
)

func zipped(t *testing.T, text string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	if err = errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// Every place that a ReaderConfig can lead to, and what comes where it leads nowhere.
func TestReaderConfigs(t *testing.T) {
	stored := map[string]string{
		"doc":           `{"x":{"skipped":[1,{"a":2}]},"a/b":{"list":[{"n":1},{"n":2}],"object":{"k":1,"l":[2]}}}`,
		"list/1":        `["a","b"]`,
		"list/2":        `["c"]`,
		"inventory":     `{"sourceBucket":"s","destinationBucket":"arn:aws:s3:::b","fileFormat":"CSV","fileSchema":"Bucket, Key, Size","files":[{"key":"data/1.csv.gz","size":1},{"key":"data/2.csv"}]}`,
		"parquet":       `{"destinationBucket":"arn:aws:s3:::b","fileFormat":"Parquet","fileSchema":"","files":[]}`,
		"data/1.csv.gz": zipped(t, "\"s\",\"a b\",\"1\"\n\"s\",\"c\",\"2\"\n"),
		"data/2.csv":    "\"s\",\"d\",\"3\"\n",
		"athena":        "s3://b/rows/1\ns3://b/rows/2\n",
		"rows/1":        "{\"r\":1}\n{\"r\":2}\n",
		"rows/2":        "{\"r\":3}\n",
	}
	for name, c := range map[string]struct{ action, key, config, want string }{
		"pointer to an array":    {"getObject", "doc", `"InputType":"JSON","ItemsPointer":"/a~1b/list"`, `SUCCEEDED [{"n":1},{"n":2}]`},
		"pointer to an object":   {"getObject", "doc", `"InputType":"JSON","ItemsPointer":"/a~1b/object"`, `SUCCEEDED [{"Key":"k","Value":1},{"Key":"l","Value":[2]}]`},
		"pointer to an element":  {"getObject", "doc", `"InputType":"JSON","ItemsPointer":"/a~1b/object/l"`, `SUCCEEDED [2]`},
		"pointer to nothing":     {"getObject", "doc", `"InputType":"JSON","ItemsPointer":"/a~1b/none"`, `FAILED States.ItemReaderFailed: the ItemsPointer "/a~1b/none" leads nowhere: there is no "none"`},
		"pointer to a number":    {"getObject", "doc", `"InputType":"JSON","ItemsPointer":"/a~1b/list/0/n"`, `FAILED States.ItemReaderFailed: Attempting to map over non-iterable node.`},
		"flattened listing":      {"listObjectsV2", "", `"InputType":"JSON","Transformation":"LOAD_AND_FLATTEN"`, `SUCCEEDED ["a","b","c"]`},
		"inventory":              {"getObject", "inventory", `"InputType":"MANIFEST"`, `SUCCEEDED [{"Bucket":"s","Key":"a b","Size":"1"},{"Bucket":"s","Key":"c","Size":"2"},{"Bucket":"s","Key":"d","Size":"3"}]`},
		"inventory of some":      {"getObject", "inventory", `"InputType":"MANIFEST","ManifestType":"S3_INVENTORY","MaxItems":1`, `SUCCEEDED [{"Bucket":"s","Key":"a b","Size":"1"}]`},
		"inventory in Parquet":   {"getObject", "parquet", `"InputType":"MANIFEST"`, `FAILED States.ItemReaderFailed: inventories in the format Parquet are not served by this platform; CSV is`},
		"no manifest":            {"getObject", "list/1", `"InputType":"MANIFEST"`, `FAILED States.ItemReaderFailed: s3://b/list/1 is no manifest of an S3 inventory`},
		"results of a query":     {"getObject", "athena", `"InputType":"JSONL","ManifestType":"ATHENA_DATA"`, `SUCCEEDED [{"r":1},{"r":2},{"r":3}]`},
		"a manifest of anything": {"getObject", "doc", `"InputType":"JSONL","ManifestType":"ATHENA_DATA"`, `FAILED States.ItemReaderFailed: the manifest names`},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := open(t, Config{Objects: &objects{byKey: stored}})
				m := create(t, s, "m", distributed("EXPRESS", `"P":{"Type":"Pass","End":true}`,
					`,"ItemReader":{"Resource":"arn:aws:states:::s3:`+c.action+`","ReaderConfig":{`+c.config+`},"Parameters":{"Bucket":"b","Key":"`+c.key+`","Prefix":"list/"}}`), false)
				x := start1(t, s, m, "", "")
				synctest.Wait()
				if got := ended(t, s, x); !strings.HasPrefix(got, c.want) {
					t.Errorf("%s\nwant %s", got, c.want)
				}
			})
		})
	}
}

// Parquet is refused when the machine is created, not when it runs.
func TestParquetRefused(t *testing.T) {
	s := open(t, Config{Objects: &objects{}})
	_, err := s.CreateStateMachine(t.Context(), &sfn.CreateStateMachineInput{
		Name: aws.String("m"), RoleArn: aws.String(role),
		Definition: aws.String(distributed("EXPRESS", `"P":{"Type":"Pass","End":true}`, reader("getObject", `"InputType":"PARQUET"`))),
	})
	var refused *types.InvalidDefinition
	if !errors.As(err, &refused) || !strings.Contains(*refused.Message, "The InputType PARQUET is not supported by this platform") {
		t.Errorf("%v", err)
	}
}

// TestState reads what stands for the object as the ItemReader would, and shows every stage of it.
func TestTestStateReads(t *testing.T) {
	s := open(t, Config{Objects: &objects{}})
	out, err := s.TestState(t.Context(), &sfn.TestStateInput{
		Definition: aws.String(`{"Type":"Map","MaxConcurrency":3,"ToleratedFailureCount":1,"End":true,
			"ItemReader":{"Resource":"arn:aws:states:::s3:getObject","ReaderConfig":{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","MaxItems":2},"Parameters":{"Bucket":"b","Key":"k"}},
			"ItemSelector":{"i.$":"$$.Map.Item.Index","a.$":"$$.Map.Item.Value.a"},"ItemBatcher":{"MaxItemsPerBatch":2},
			"ItemProcessor":{"ProcessorConfig":{"Mode":"DISTRIBUTED","ExecutionType":"STANDARD"},"StartAt":"P","States":{"P":{"Type":"Pass","End":true}}}}`),
		InspectionLevel:    types.InspectionLevelDebug,
		Mock:               &types.MockInput{Result: aws.String("[1,2]")},
		StateConfiguration: &types.TestStateConfiguration{MapItemReaderData: aws.String("a,b\n1,2\n3,4\n5,6\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	d := out.InspectionData
	is(t, "selected", *d.AfterItemSelector, `[{"a":"1","i":0},{"a":"3","i":1}]`)
	is(t, "batches", *d.AfterItemBatcher, `[{"Items":[{"a":"1","i":0},{"a":"3","i":1}]}]`)
	if *d.MaxConcurrency != 3 || *d.ToleratedFailureCount != 1 {
		t.Errorf("%+v", d)
	}
}

// What waits for somebody outside cannot be tried without a mock.
func TestTestStateNeedsMock(t *testing.T) {
	s := open(t, Config{})
	for _, resource := range []string{
		"arn:aws:states:us-east-1:000000000000:activity:a", "arn:aws:states:::states:startExecution.sync", "arn:aws:states:::lambda:invoke.waitForTaskToken",
	} {
		_, err := s.TestState(t.Context(), &sfn.TestStateInput{
			Definition: aws.String(`{"Type":"Task","Resource":"` + resource + `","Parameters":{"FunctionName":"f","StateMachineArn":"m","Payload":{"t.$":"$$.Task.Token"}},"End":true}`), RoleArn: aws.String(role),
		})
		var refused *types.InvalidDefinition
		if !errors.As(err, &refused) {
			t.Errorf("%s: %v", resource, err)
		}
	}
}

func TestTestStateShowsHTTP(t *testing.T) {
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(`{"a":1}`))
	}))
	defer endpoint.Close()
	s := open(t, Config{})
	for _, level := range []types.InspectionLevel{types.InspectionLevelDebug, types.InspectionLevelTrace} {
		out, err := s.TestState(t.Context(), &sfn.TestStateInput{
			Definition: aws.String(`{"Type":"Task","Resource":"arn:aws:states:::http:invoke","Parameters":{"ApiEndpoint":"` + endpoint.URL + `/p","Method":"POST","Headers":{"X-A":"1"},"RequestBody":{"b":2}},"End":true}`),
			RoleArn:    aws.String(role), InspectionLevel: level, RevealSecrets: true,
		})
		if err != nil {
			t.Fatal(err)
		}
		is(t, "error", *out.Error, "States.Http.StatusCode.418")
		d := out.InspectionData
		if level == types.InspectionLevelDebug {
			if d.Request != nil || d.Response != nil {
				t.Error("the exchange belongs to TRACE")
			}
			continue
		}
		is(t, "request", strings.Join([]string{*d.Request.Protocol, *d.Request.Method, *d.Request.Url, *d.Request.Headers, *d.Request.Body}, " "),
			"http POST "+endpoint.URL+"/p [content-type: application/json, range: bytes=0-262144, user-agent: Amazon|StepFunctions|HttpInvoke|us-east-1, x-a: 1] {\"b\":2}")
		is(t, "response", strings.Join([]string{*d.Response.StatusCode, *d.Response.StatusMessage, *d.Response.Body}, " "), `418 I'm a teapot {"a":1}`)
		if !json.Valid([]byte(*d.AfterParameters)) {
			t.Error(*d.AfterParameters)
		}
	}
}
