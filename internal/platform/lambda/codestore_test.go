package lambda

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/pool"
)

// packages lists what lies in the code folder.
func (x *fixture) packages() []string {
	x.t.Helper()
	entries, err := os.ReadDir(filepath.Join(x.dir, "code"))
	if err != nil {
		x.t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestCodeLivesAsLongAsSomethingNeedsIt(t *testing.T) {
	x := start(t)
	x.create("fn") // v0
	x.release("fn", "one")
	x.alias("fn", "live", "1", nil)
	if n := len(x.packages()); n != 2 { // v0 was replaced and never published: zip and folder of one remain
		t.Fatalf("after one release: %v", x.packages())
	}
	x.release("fn", "two")
	if n := len(x.packages()); n != 4 {
		t.Fatalf("after two releases: %v", x.packages())
	}

	// An invocation of version 1 is under way while the version is deleted.
	started, finish := make(chan string), make(chan struct{})
	x.exec.do = func(_ context.Context, f *pool.Function, in pool.Invocation) (pool.Result, error) {
		started <- f.CodeDir
		<-finish
		_, err := os.ReadFile(filepath.Join(f.CodeDir, "index.py"))
		return pool.Result{Payload: in.Payload}, err
	}
	done := make(chan error)
	go func() {
		_, err := x.Invoke(context.Background(), &sdk.InvokeInput{FunctionName: aws.String("fn"), Qualifier: aws.String("live")})
		done <- err
	}()
	<-started
	if _, err := x.DeleteAlias(t.Context(), &sdk.DeleteAliasInput{FunctionName: aws.String("fn"), Name: aws.String("live")}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("fn"), Qualifier: aws.String("1")}); err != nil {
		t.Fatal(err)
	}
	if n := len(x.packages()); n != 4 {
		t.Fatalf("code of an invocation under way was removed: %v", x.packages())
	}
	close(finish)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if n := len(x.packages()); n != 2 {
		t.Errorf("code of a deleted version stays: %v", x.packages())
	}
	if _, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("fn")}); err != nil {
		t.Fatal(err)
	}
	if left := x.packages(); len(left) != 0 {
		t.Errorf("code of a deleted function stays: %v", left)
	}
	if n := len(x.exec.retired); n != 5 { // $LATEST with each of three packages, and two versions
		t.Errorf("retired: %v", x.exec.retired)
	}
}

func TestSameCodeIsKeptOnce(t *testing.T) {
	x := start(t)
	for _, name := range []string{"a", "b"} {
		in := createInput(name)
		in.Code.ZipFile = zipOf("shared")
		if _, err := x.CreateFunction(t.Context(), in); err != nil {
			t.Fatal(err)
		}
		x.settled(name)
	}
	if n := len(x.packages()); n != 2 {
		t.Errorf("got %v, want one zip and one folder", x.packages())
	}
	if _, err := x.DeleteFunction(t.Context(), &sdk.DeleteFunctionInput{FunctionName: aws.String("a")}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("b")}); err != nil || len(x.packages()) != 2 {
		t.Errorf("deleting a has hurt b: %v %v", err, x.packages())
	}
}

func TestRefusedUploadsLeaveNothing(t *testing.T) {
	x := start(t)
	in := createInput("bad")
	in.Code.ZipFile = zipEntries(t, zipEntry{"fine", "x", 0o644}, zipEntry{"../evil", "x", 0o644})
	if _, err := x.CreateFunction(t.Context(), in); err == nil {
		t.Fatal("accepted")
	}
	x.create("fn")
	if _, err := x.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), ZipFile: zipOf("dry"), DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := x.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), ZipFile: zipOf("stale"), RevisionId: aws.String("old")}); err == nil {
		t.Fatal("accepted")
	}
	if n := len(x.packages()); n != 2 {
		t.Errorf("left on disk: %v", x.packages())
	}
}

// TestStartAfterACrash starts on a folder as crashes leave it: code that was kept and not unpacked, code that nothing
// refers to, and scratch.
func TestStartAfterACrash(t *testing.T) {
	x := start(t)
	x.create("fn")
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	code := filepath.Join(x.dir, "code")
	for _, name := range x.packages() {
		if isSHA256(name) {
			if err := removeTree(filepath.Join(code, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	unknown := strings.Repeat("ab", 32)
	for _, dir := range []string{unknown, scratch + "123"} {
		if err := os.MkdirAll(filepath.Join(code, dir, "sub"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(code, unknown+".zip"), nil, 0o444); err != nil {
		t.Fatal(err)
	}
	x.open()
	<-x.recovered
	if left := x.packages(); len(left) != 1 || !strings.HasSuffix(left[0], ".zip") || strings.HasPrefix(left[0], unknown) {
		t.Errorf("got %v", left)
	}
	if _, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("fn")}); err != nil {
		t.Errorf("the function does not run again: %v", err)
	}
	if n := len(x.packages()); n != 2 {
		t.Errorf("got %v", x.packages())
	}
}

func TestStartWithLostCode(t *testing.T) {
	x := start(t)
	x.create("fn")
	x.create("other")
	n := x.settled("fn")
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	sha := n.versions[latest].Code.SHA256
	if err := removeTree(filepath.Join(x.dir, "code", sha)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(x.dir, "code", sha+".zip")); err != nil {
		t.Fatal(err)
	}
	x.open()
	_, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("fn")})
	wantError(t, err, "ResourceConflictException", "The operation cannot be performed at this time. The function is currently in the following state: Failed")
	if _, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("other")}); err != nil {
		t.Error(err)
	}
	if _, err := x.UpdateFunctionCode(t.Context(), &sdk.UpdateFunctionCodeInput{FunctionName: aws.String("fn"), ZipFile: zipOf("again")}); err != nil {
		t.Fatal(err)
	}
	x.settled("fn")
	if _, err := x.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: aws.String("fn")}); err != nil {
		t.Errorf("uploading the code again does not help: %v", err)
	}
}
