package apigateway

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/apigateway"
	"github.com/aws/aws-sdk-go-v2/service/apigateway/types"
)

// keyed makes a stage whose GET / and GET /other want a key.
func keyed(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, Config{Invoker: answers7(`{"statusCode":200,"body":"in"}`)})
	for _, resource := range []string{r.root, r.resource("/other")} {
		r.proxy(resource, "GET", functionURI)
		_, err := r.c.UpdateMethod(t.Context(), &apigateway.UpdateMethodInput{RestApiId: &r.id, ResourceId: &resource, HttpMethod: aws.String("GET"), PatchOperations: []types.PatchOperation{
			{Op: types.OpReplace, Path: aws.String("/apiKeyRequired"), Value: aws.String("true")},
		}})
		must(t, err)
	}
	r.deploy(&apigateway.CreateDeploymentInput{Variables: map[string]string{"alias": "live"}})
	return r
}

const (
	forbidden = `{"message":"Forbidden"}`
	throttled = `{"message":"Too Many Requests"}`
	exceeded  = `{"message":"Limit Exceeded"}`
)

func TestUsagePlans(t *testing.T) {
	r := keyed(t)
	ctx := t.Context()
	key, err := r.c.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Name: aws.String("ada"), Enabled: true})
	must(t, err)
	ask := func(path string, status int, body string) {
		t.Helper()
		r.expect(r.do("GET", path, "", "X-Api-Key", *key.Value), status, body)
	}
	r.expect(r.do("GET", "/prod", ""), 403, forbidden)
	ask("/prod", 403, forbidden) // the key is in no plan yet

	plan, err := r.c.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{
		Name: aws.String("basic"), Throttle: &types.ThrottleSettings{RateLimit: 1, BurstLimit: 2}, Quota: &types.QuotaSettings{Limit: 5, Offset: 1, Period: types.QuotaPeriodTypeDay},
		ApiStages: []types.ApiStage{{ApiId: &r.id, Stage: aws.String("prod"), Throttle: map[string]types.ThrottleSettings{"/other/GET": {RateLimit: 0, BurstLimit: 1}}}},
	})
	must(t, err)
	_, err = r.c.CreateUsagePlanKey(ctx, &apigateway.CreateUsagePlanKeyInput{UsagePlanId: plan.Id, KeyId: key.Id, KeyType: aws.String("API_KEY")})
	must(t, err)
	ask("/prod", 200, "in")
	ask("/prod", 200, "in")
	ask("/prod", 429, throttled)
	ask("/prod/other", 200, "in") // a method with limits of its own
	ask("/prod/other", 429, throttled)
	w := r.do("GET", "/prod", "", "X-Api-Key", *key.Value)
	if got := w.Header().Get("X-Amzn-Errortype"); got != "TooManyRequestsException" {
		t.Errorf("x-amzn-ErrorType is %q", got)
	}

	// The second of a deployment and a restart change nothing of the limits; a changed plan keeps what is counted by the others.
	r.clock.t = r.clock.t.Add(time.Second)
	ask("/prod", 200, "in")
	r.clock.t = r.clock.t.Add(10 * time.Second)
	ask("/prod", 429, exceeded) // four, and one for the offset
	r.clock.t = r.clock.t.Add(24 * time.Hour)
	ask("/prod", 200, "in")
	_, err = r.c.UpdateUsagePlan(ctx, &apigateway.UpdateUsagePlanInput{UsagePlanId: plan.Id, PatchOperations: []types.PatchOperation{
		{Op: types.OpRemove, Path: aws.String("/quota")},
		{Op: types.OpReplace, Path: aws.String("/throttle/burstLimit"), Value: aws.String("100")},
		{Op: types.OpReplace, Path: aws.String("/apiStages/" + r.id + ":prod/throttle/~1other/GET/burstLimit"), Value: aws.String("100")},
	}})
	must(t, err)
	for range 50 {
		ask("/prod", 200, "in")
		ask("/prod/other", 200, "in")
	}
	r.open()
	ask("/prod", 200, "in")
	_, err = r.c.UpdateApiKey(ctx, &apigateway.UpdateApiKeyInput{ApiKey: key.Id, PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: aws.String("/enabled"), Value: aws.String("false")}}})
	must(t, err)
	ask("/prod", 403, forbidden)
	if found, err := r.c.GetApiKeys(ctx, &apigateway.GetApiKeysInput{NameQuery: aws.String("ad"), IncludeValues: aws.Bool(true)}); err != nil || len(found.Items) != 1 || *found.Items[0].Value != *key.Value {
		t.Errorf("%+v %v", found, err)
	}
	if found, err := r.c.GetUsagePlanKeys(ctx, &apigateway.GetUsagePlanKeysInput{UsagePlanId: plan.Id}); err != nil || len(found.Items) != 1 || *found.Items[0].Name != "ada" {
		t.Errorf("%+v %v", found, err)
	}
	refusedWith(t, second(r.c.DeleteUsagePlan(ctx, &apigateway.DeleteUsagePlanInput{UsagePlanId: plan.Id})), "BadRequestException", "API Stages are associated")
	_, err = r.c.DeleteApiKey(ctx, &apigateway.DeleteApiKeyInput{ApiKey: key.Id})
	must(t, err)
	_, err = r.c.UpdateUsagePlan(ctx, &apigateway.UpdateUsagePlanInput{UsagePlanId: plan.Id, PatchOperations: []types.PatchOperation{{Op: types.OpRemove, Path: aws.String("/apiStages"), Value: aws.String(r.id + ":prod")}}})
	must(t, err)
	_, err = r.c.DeleteUsagePlan(ctx, &apigateway.DeleteUsagePlanInput{UsagePlanId: plan.Id})
	must(t, err)
	if a := r.account.Load(); len(a.keys)+len(a.plans)+len(a.grants) != 0 {
		t.Errorf("left are %+v", a)
	}
}

func TestUsagePlansAreChecked(t *testing.T) {
	r := keyed(t)
	ctx := t.Context()
	none := aws.String("nope")
	stages := []types.ApiStage{{ApiId: &r.id, Stage: aws.String("prod")}}
	key, err := r.c.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Name: aws.String("ada"), Value: aws.String("a-value-of-twenty-characters"), Enabled: true})
	must(t, err)
	one, err := r.c.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{Name: aws.String("one"), ApiStages: stages})
	must(t, err)
	two, err := r.c.CreateUsagePlan(ctx, &apigateway.CreateUsagePlanInput{Name: aws.String("two")})
	must(t, err)
	give := func(plan *string) error {
		return second(r.c.CreateUsagePlanKey(ctx, &apigateway.CreateUsagePlanKeyInput{UsagePlanId: plan, KeyId: key.Id, KeyType: aws.String("API_KEY")}))
	}
	must(t, give(one.Id))
	must(t, give(two.Id))
	plan := func(in *apigateway.CreateUsagePlanInput) error { return second(r.c.CreateUsagePlan(ctx, in)) }
	for name, c := range map[string]struct {
		err           error
		code, message string
	}{
		"no stage":       {plan(&apigateway.CreateUsagePlanInput{Name: none, ApiStages: []types.ApiStage{{ApiId: &r.id, Stage: none}}}), "NotFoundException", "API Stage not found: " + r.id + ":nope"},
		"no name":        {plan(&apigateway.CreateUsagePlanInput{Name: aws.String("")}), "BadRequestException", "name is required"},
		"period":         {plan(&apigateway.CreateUsagePlanInput{Name: none, Quota: &types.QuotaSettings{Limit: 1, Period: "YEAR"}}), "BadRequestException", "DAY, WEEK, MONTH"},
		"limit":          {plan(&apigateway.CreateUsagePlanInput{Name: none, Quota: &types.QuotaSettings{Period: types.QuotaPeriodTypeDay}}), "BadRequestException", "at least 1"},
		"throttle":       {plan(&apigateway.CreateUsagePlanInput{Name: none, Throttle: &types.ThrottleSettings{RateLimit: -1}}), "BadRequestException", "negative"},
		"same value":     {second(r.c.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Value: aws.String("a-value-of-twenty-characters")})), "ConflictException", "API Key already exists"},
		"short value":    {second(r.c.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{Value: aws.String("short")})), "BadRequestException", "at least 20"},
		"no key":         {second(r.c.GetApiKey(ctx, &apigateway.GetApiKeyInput{ApiKey: none})), "NotFoundException", "Invalid API Key identifier specified"},
		"no plan":        {second(r.c.GetUsagePlan(ctx, &apigateway.GetUsagePlanInput{UsagePlanId: none})), "NotFoundException", "Invalid Usage Plan ID identifier specified"},
		"given already":  {give(one.Id), "ConflictException", "already contains"},
		"two plans":      {second(r.c.UpdateUsagePlan(ctx, &apigateway.UpdateUsagePlanInput{UsagePlanId: two.Id, PatchOperations: []types.PatchOperation{{Op: types.OpAdd, Path: aws.String("/apiStages"), Value: aws.String(r.id + ":prod")}}})), "ConflictException", "more than one usage plan"},
		"bad stage":      {second(r.c.UpdateUsagePlan(ctx, &apigateway.UpdateUsagePlanInput{UsagePlanId: two.Id, PatchOperations: []types.PatchOperation{{Op: types.OpAdd, Path: aws.String("/apiStages"), Value: none}}})), "BadRequestException", "apiId:stage"},
		"stage keys":     {second(r.c.CreateApiKey(ctx, &apigateway.CreateApiKeyInput{StageKeys: []types.StageKey{{}}})), "BadRequestException", "stageKeys"},
		"no key in plan": {second(r.c.GetUsagePlanKey(ctx, &apigateway.GetUsagePlanKeyInput{UsagePlanId: one.Id, KeyId: none})), "NotFoundException", "Invalid API Key identifier specified"},
	} {
		t.Run(name, func(t *testing.T) { refusedWith(t, c.err, c.code, c.message) })
	}
	r.expect(r.do("GET", "/prod", "", "X-Api-Key", *key.Value), 200, "in")
}

func TestQuotaPeriods(t *testing.T) {
	at := time.Date(2026, 11, 19, 23, 59, 59, 0, time.UTC) // a Thursday
	for period, want := range map[types.QuotaPeriodType]string{types.QuotaPeriodTypeDay: "2026-11-19", types.QuotaPeriodTypeWeek: "2026-11-15", types.QuotaPeriodTypeMonth: "2026-11-01"} {
		if got := periodOf(period, at).Format(time.DateOnly); got != want {
			t.Errorf("a period of a %s began %s, not %s", period, got, want)
		}
	}
}

func TestAccount(t *testing.T) {
	r := newRig(t, Config{})
	patch := func(path, value string) error {
		return second(r.c.UpdateAccount(t.Context(), &apigateway.UpdateAccountInput{PatchOperations: []types.PatchOperation{{Op: types.OpReplace, Path: &path, Value: &value}}}))
	}
	must(t, patch("/cloudwatchRoleArn", "arn:aws:iam::000000000000:role/logs"))
	refusedWith(t, patch("/cloudwatchRoleArn", "nope"), "BadRequestException", "no ARN of a role")
	refusedWith(t, patch("/throttleSettings/rateLimit", "1"), "BadRequestException", "not supported")
	r.open()
	if out, err := r.c.GetAccount(t.Context(), &apigateway.GetAccountInput{}); err != nil || *out.CloudwatchRoleArn != "arn:aws:iam::000000000000:role/logs" || out.ThrottleSettings.BurstLimit != 5000 {
		t.Errorf("%+v %v", out, err)
	}
}
