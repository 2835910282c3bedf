package lambda

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/pool"
)

func (x *fixture) layer(name string, files map[string]string) string {
	x.t.Helper()
	out, err := x.PublishLayerVersion(x.t.Context(), &sdk.PublishLayerVersionInput{
		LayerName: &name, Content: &types.LayerVersionContentInput{ZipFile: zipFiles(files)}, CompatibleRuntimes: []types.Runtime{"python3.12"},
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return *out.LayerVersionArn
}

func TestLayersAreMergedInTheirOrder(t *testing.T) {
	x := start(t)
	a := x.layer("a", map[string]string{"python/m.py": "a", "only/a": "1", "link": "x"})
	b := x.layer("b", map[string]string{"python/m.py": "b", "only/b": "2"})
	var opt string
	x.exec.do = func(_ context.Context, f *pool.Function, in pool.Invocation) (pool.Result, error) {
		opt = f.OptDir
		return pool.Result{Payload: in.Payload}, nil
	}
	invoke := func(name string) {
		t.Helper()
		if _, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: &name}); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(opt, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(raw)
	}
	in := createInput("fn")
	in.Layers = []string{a, b}
	made, err := x.CreateFunction(t.Context(), in)
	if err != nil || len(made.Layers) != 2 || *made.Layers[0].Arn != a || made.Layers[0].CodeSize == 0 {
		t.Fatalf("%+v, %v", made, err)
	}
	x.settled("fn")
	if invoke("fn"); read("python/m.py") != "b" || read("only/a") != "1" || read("only/b") != "2" {
		t.Errorf("the later layer does not lie over the earlier one")
	}
	if _, err := x.PublishVersion(t.Context(), &sdk.PublishVersionInput{FunctionName: aws.String("fn")}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: aws.String("fn"), Layers: []string{b, a}}); err != nil {
		t.Fatal(err)
	}
	x.settled("fn")
	if invoke("fn"); read("python/m.py") != "a" {
		t.Errorf("the order of layers has changed and their content has not")
	}

	// What is deleted is gone for new functions; those that use it keep it, over a restart too, even when the folders are lost.
	for _, name := range []string{"a", "b"} {
		if _, err := x.DeleteLayerVersion(t.Context(), &sdk.DeleteLayerVersionInput{LayerName: &name, VersionNumber: aws.Int64(1)}); err != nil {
			t.Fatal(err)
		}
	}
	in = createInput("other")
	in.Layers = []string{a}
	_, err = x.CreateFunction(t.Context(), in)
	wantError(t, err, "InvalidParameterValueException", "Layer version "+a+" does not exist.")
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	folders, err := filepath.Glob(filepath.Join(x.dir, "code", strings.Repeat("[0-9a-f]", 64)))
	if err != nil || len(folders) != 5 { // code, two layers, two orders of them
		t.Fatalf("%v, %v", folders, err)
	}
	for _, f := range folders {
		if err := removeTree(f); err != nil {
			t.Fatal(err)
		}
	}
	x.open()
	if invoke("fn"); read("python/m.py") != "a" {
		t.Error("after a restart")
	}
	if invoke("fn:1"); read("python/m.py") != "b" {
		t.Error("the published version has lost its layers")
	}
	if n := x.layer("a", map[string]string{"c": "3"}); !strings.HasSuffix(n, ":a:2") {
		t.Errorf("the number of a deleted version was used again: %s", n)
	}

	// With the function everything goes from the disk but what is still a layer.
	if _, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("fn")}); err != nil {
		t.Fatal(err)
	}
	if left := x.packages(); len(left) != 2 { // its zip and its folder
		t.Errorf("left on disk: %v", left)
	}
}

func TestLayersAreChecked(t *testing.T) {
	x := start(t)
	x.codes.limit = 10_000
	a := x.layer("a", map[string]string{"x": "1"})
	a2 := x.layer("a", map[string]string{"x": "2"})
	many := make([]string, 6)
	for i := range many {
		many[i] = x.layer("l"+string(rune('a'+i)), map[string]string{"x": "1"})
	}
	big := x.layer("big", map[string]string{"zeros": strings.Repeat("\x00", 10_000)})
	big2 := x.layer("big2", map[string]string{"zeros": strings.Repeat("\x00", 4096)})
	x.create("fn")
	for name, c := range map[string]struct {
		layers        []string
		code, message string
	}{
		"with code":    {[]string{big}, "InvalidParameterValueException", "Function code combined with layers exceeds the maximum allowed size of 10000 bytes. The actual size is 10005 bytes."},
		"two versions": {[]string{a, a2}, "InvalidParameterValueException", "Two different versions of the same layer are not allowed to be referenced in the same function. " + a + " and " + a2 + " are versions of the same layer."},
		"six":          {many, "InvalidParameterValueException", "Cannot reference more than 5 layers."},
		"other region": {[]string{strings.Replace(a, "us-east-1", "eu-west-1", 1)}, "InvalidParameterValueException", "Layers are not in the same region as the function. Layers are expected to be in region us-east-1."},
		"no such":      {[]string{a + "9"}, "InvalidParameterValueException", "Layer version " + a + "9 does not exist."},
		"too large":    {[]string{big, big2}, "InvalidParameterValueException", "Function code combined with layers exceeds the maximum allowed size of 10000 bytes. The actual size is 14096 bytes."},
	} {
		_, err := x.UpdateFunctionConfiguration(t.Context(), &sdk.UpdateFunctionConfigurationInput{FunctionName: aws.String("fn"), Layers: c.layers})
		t.Run(name, func(t *testing.T) { wantError(t, err, c.code, c.message) })
	}
	_, err := x.GetLayerVersion(t.Context(), &sdk.GetLayerVersionInput{LayerName: aws.String("a"), VersionNumber: aws.Int64(0)})
	wantError(t, err, "InvalidParameterValueException", "Layer Version Cannot be less than 1.")
	_, err = x.PublishLayerVersion(t.Context(), &sdk.PublishLayerVersionInput{LayerName: aws.String("a"), Content: &types.LayerVersionContentInput{ZipFile: []byte("no zip")}})
	wantError(t, err, "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.")

	list, err := x.ListLayers(t.Context(), &sdk.ListLayersInput{CompatibleRuntime: "python3.12", MaxItems: aws.Int32(2)})
	if err != nil || len(list.Layers) != 2 || *list.Layers[0].LayerName != "a" || list.Layers[0].LatestMatchingVersion.Version != 2 || list.NextMarker == nil {
		t.Errorf("%+v, %v", list, err)
	}
	if list, err = x.ListLayers(t.Context(), &sdk.ListLayersInput{CompatibleArchitecture: "arm64"}); err != nil || len(list.Layers) != 0 {
		t.Errorf("%+v, %v", list, err)
	}
	versions, err := x.ListLayerVersions(t.Context(), &sdk.ListLayerVersionsInput{LayerName: aws.String("a"), MaxItems: aws.Int32(1)})
	if err != nil || len(versions.LayerVersions) != 1 || versions.LayerVersions[0].Version != 2 || versions.NextMarker == nil {
		t.Fatalf("%+v, %v", versions, err)
	}
	versions, err = x.ListLayerVersions(t.Context(), &sdk.ListLayerVersionsInput{LayerName: aws.String("a"), Marker: versions.NextMarker})
	if err != nil || len(versions.LayerVersions) != 1 || versions.LayerVersions[0].Version != 1 || versions.NextMarker != nil {
		t.Errorf("%+v, %v", versions, err)
	}
}
