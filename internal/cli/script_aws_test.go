package cli

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/rogpeppe/go-internal/testscript"
)

// What someone else does with AWS's own API, in scripts.

// scriptBucket is: bucket NAME. It makes a bucket.
func scriptBucket(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: bucket NAME")
	}
	client := s3.NewFromConfig(awsOf(ts), func(o *s3.Options) { o.UsePathStyle = true })
	_, err := client.CreateBucket(context.Background(), &s3.CreateBucketInput{Bucket: &args[0]})
	ts.Check(err)
}

// scriptHalf is: half FUNCTION:ALIAS VERSION PERCENT. It gives a second version a share of an alias.
func scriptHalf(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: half FUNCTION:ALIAS VERSION PERCENT")
	}
	function, name := splitAlias(ts, args[0])
	percent, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	_, err = lambda.NewFromConfig(awsOf(ts)).UpdateAlias(context.Background(), &lambda.UpdateAliasInput{
		FunctionName: &function, Name: &name,
		RoutingConfig: &types.AliasRoutingConfiguration{AdditionalVersionWeights: map[string]float64{args[1]: percent / 100}},
	})
	ts.Check(err)
}

// scriptForget is: forget FUNCTION VERSION. It deletes a version.
func scriptForget(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: forget FUNCTION VERSION")
	}
	_, err := lambda.NewFromConfig(awsOf(ts)).DeleteFunction(context.Background(), &lambda.DeleteFunctionInput{FunctionName: &args[0], Qualifier: &args[1]})
	ts.Check(err)
}

// scriptPermit is: permit FUNCTION SERVICE. It lets a service invoke the function without a qualifier.
func scriptPermit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: permit FUNCTION SERVICE")
	}
	_, err := lambda.NewFromConfig(awsOf(ts)).AddPermission(context.Background(), &lambda.AddPermissionInput{
		FunctionName: &args[0], StatementId: aws.String("by-someone"), Action: aws.String("lambda:InvokeFunction"), Principal: &args[1],
	})
	ts.Check(err)
}

// scriptLatest is: latest VARIABLE. It puts the ID of the latest rollout into a variable.
func scriptLatest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: latest VARIABLE")
	}
	ts.Check(ts.Exec("teal", "history", "--output", "json"))
	var doc struct {
		Rollouts []struct {
			ID string `json:"id"`
		} `json:"rollouts"`
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &doc))
	if len(doc.Rollouts) == 0 {
		ts.Fatalf("there is no rollout")
	}
	ts.Setenv(args[0], doc.Rollouts[0].ID)
}
