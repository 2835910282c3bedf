package cli

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cloudwatchtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
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

// scriptQueue is: queue NAME. It makes a queue.
func scriptQueue(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: queue NAME")
	}
	_, err := sqs.NewFromConfig(awsOf(ts)).CreateQueue(context.Background(), &sqs.CreateQueueInput{QueueName: &args[0]})
	ts.Check(err)
}

// scriptOnce is: once FUNCTION:ALIAS. Events that fail there are not tried again.
func scriptOnce(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: once FUNCTION:ALIAS")
	}
	function, name := splitAlias(ts, args[0])
	_, err := lambda.NewFromConfig(awsOf(ts)).PutFunctionEventInvokeConfig(context.Background(), &lambda.PutFunctionEventInvokeConfigInput{
		FunctionName: &function, Qualifier: &name, MaximumRetryAttempts: aws.Int32(0),
	})
	ts.Check(err)
}

// scriptLetter is: letter NAME REGEXP. It waits for a message of a queue, and takes it.
func scriptLetter(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: letter NAME REGEXP")
	}
	client, ctx := sqs.NewFromConfig(awsOf(ts)), context.Background()
	q, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &args[0]})
	ts.Check(err)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		got, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: q.QueueUrl, WaitTimeSeconds: 5, VisibilityTimeout: 600})
		ts.Check(err)
		for _, m := range got.Messages {
			if !regexp.MustCompile(args[1]).MatchString(aws.ToString(m.Body)) {
				ts.Fatalf("the message is %q", aws.ToString(m.Body))
			}
			return
		}
	}
	ts.Fatalf("%s has no message", args[0])
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

// scriptAlarm is: alarm NAME STATE. The alarm looks at a metric that nobody reports, and ignores that.
func scriptAlarm(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: alarm NAME STATE")
	}
	client, ctx := cloudwatch.NewFromConfig(awsOf(ts)), context.Background()
	found, err := client.DescribeAlarms(ctx, &cloudwatch.DescribeAlarmsInput{AlarmNames: args[:1]})
	ts.Check(err)
	if len(found.MetricAlarms) == 0 {
		_, err = client.PutMetricAlarm(ctx, &cloudwatch.PutMetricAlarmInput{
			AlarmName: &args[0], Namespace: aws.String("Shop"), MetricName: aws.String("Nobody"), Statistic: cloudwatchtypes.StatisticSum,
			Period: aws.Int32(60), EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(0),
			ComparisonOperator: cloudwatchtypes.ComparisonOperatorGreaterThanThreshold, TreatMissingData: aws.String("ignore"),
		})
		ts.Check(err)
	}
	_, err = client.SetAlarmState(ctx, &cloudwatch.SetAlarmStateInput{AlarmName: &args[0], StateValue: cloudwatchtypes.StateValue(args[1]), StateReason: aws.String("the script says so")})
	ts.Check(err)
}

// scriptLayer is: layer NAME. It publishes a version with one file.
func scriptLayer(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: layer NAME")
	}
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("name")
	ts.Check(err)
	_, err = f.Write([]byte(args[0]))
	ts.Check(errors.Join(err, w.Close()))
	_, err = lambda.NewFromConfig(awsOf(ts)).PublishLayerVersion(context.Background(), &lambda.PublishLayerVersionInput{
		LayerName: &args[0], Content: &types.LayerVersionContentInput{ZipFile: b.Bytes()},
	})
	ts.Check(err)
}

// scriptProvision is: provision FUNCTION VERSION N.
func scriptProvision(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: provision FUNCTION VERSION N")
	}
	_, err := lambda.NewFromConfig(awsOf(ts)).PutProvisionedConcurrencyConfig(context.Background(), &lambda.PutProvisionedConcurrencyConfigInput{
		FunctionName: &args[0], Qualifier: &args[1], ProvisionedConcurrentExecutions: aws.Int32(int32(number(ts, args[2]))),
	})
	ts.Check(err)
	for {
		c, err := lambda.NewFromConfig(awsOf(ts)).GetProvisionedConcurrencyConfig(context.Background(), &lambda.GetProvisionedConcurrencyConfigInput{FunctionName: &args[0], Qualifier: &args[1]})
		ts.Check(err)
		if c.Status != types.ProvisionedConcurrencyStatusEnumInProgress {
			return
		}
	}
}

// scriptProvisioned is: provisioned FUNCTION STATE, the state being every version with its status and count.
func scriptProvisioned(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: provisioned FUNCTION STATE")
	}
	out, err := lambda.NewFromConfig(awsOf(ts)).ListProvisionedConcurrencyConfigs(context.Background(), &lambda.ListProvisionedConcurrencyConfigsInput{FunctionName: &args[0]})
	ts.Check(err)
	var all []string
	slices.SortFunc(out.ProvisionedConcurrencyConfigs, func(a, b types.ProvisionedConcurrencyConfigListItem) int {
		return cmp.Compare(*a.FunctionArn, *b.FunctionArn)
	})
	for _, c := range out.ProvisionedConcurrencyConfigs {
		arn := *c.FunctionArn
		all = append(all, fmt.Sprintf("%s %s %d", arn[strings.LastIndexByte(arn, ':')+1:], c.Status, *c.RequestedProvisionedConcurrentExecutions))
	}
	if got := strings.Join(all, ", "); got != args[1] {
		ts.Fatalf("%s has provisioned %q, want %q", args[0], got, args[1])
	}
}

// scriptDeployments is: deployments STATUS.... It waits until CodeDeploy's deployments have these statuses.
func scriptDeployments(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: deployments STATUS...")
	}
	client, ctx := codedeploy.NewFromConfig(awsOf(ts)), context.Background()
	for end := time.Now().Add(2 * time.Minute); ; {
		list, err := client.ListDeployments(ctx, &codedeploy.ListDeploymentsInput{})
		ts.Check(err)
		var got []string
		for _, id := range list.Deployments {
			d, err := client.GetDeployment(ctx, &codedeploy.GetDeploymentInput{DeploymentId: &id})
			ts.Check(err)
			got = append(got, string(d.DeploymentInfo.Status))
		}
		slices.Reverse(got)
		if slices.Equal(got, args) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("the deployments are %q, want %q", got, args)
		}
	}
}
