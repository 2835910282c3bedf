package lambda

import (
	"fmt"
	"maps"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// TestEveryResourceHasTags tags each kind of resource when it is made and afterwards, and looks again after a restart.
func TestEveryResourceHasTags(t *testing.T) {
	queues := func(c *Config) { c.Queues = newQueue() }
	x := start(t, queues)
	given := map[string]string{"team": "blue", "old": "1"}
	in := createInput("fn")
	in.Tags = given
	f, err := x.CreateFunction(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	x.settled("fn")
	m, err := x.CreateEventSourceMapping(t.Context(), mapped(func(in *sdk.CreateEventSourceMappingInput) { in.Tags = given }))
	if err != nil {
		t.Fatal(err)
	}
	c, err := x.CreateCodeSigningConfig(t.Context(), &sdk.CreateCodeSigningConfigInput{
		Tags: given, AllowedPublishers: &types.AllowedPublishers{SigningProfileVersionArns: []string{"arn:aws:signer:us-east-1:000000000000:/signing-profiles/p/v"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	resources := map[string]*string{"function": f.FunctionArn, "mapping": m.EventSourceMappingArn, "signing": c.CodeSigningConfig.CodeSigningConfigArn}
	many := map[string]string{}
	for i := range maxTags {
		many[fmt.Sprint(i)] = ""
	}
	for kind, arn := range resources {
		if _, err := x.TagResource(t.Context(), &sdk.TagResourceInput{Resource: arn, Tags: map[string]string{"team": "green", "new": "2"}}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if _, err := x.UntagResource(t.Context(), &sdk.UntagResourceInput{Resource: arn, TagKeys: []string{"old", "none"}}); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		_, err := x.TagResource(t.Context(), &sdk.TagResourceInput{Resource: arn, Tags: many})
		wantError(t, err, "InvalidParameterValueException", "Number of tags exceeds resource tag limit.")
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	x.open(queues)
	for kind, arn := range resources {
		out, err := x.ListTags(t.Context(), &sdk.ListTagsInput{Resource: arn})
		if err != nil || !maps.Equal(out.Tags, map[string]string{"team": "green", "new": "2"}) {
			t.Errorf("%s has the tags %v, %v", kind, out, err)
		}
	}
	if len(given) != 2 {
		t.Errorf("the caller's tags are %v now", given)
	}
	for arn, message := range map[string]string{
		aws.ToString(m.EventSourceMappingArn)[:len(*m.EventSourceMappingArn)-12] + "000000000000": "Event source mapping not found: ",
		x.signingARN("csc-00000000000000000"):                                                     "Code signing config not found: ",
	} {
		_, err := x.ListTags(t.Context(), &sdk.ListTagsInput{Resource: &arn})
		wantError(t, err, "ResourceNotFoundException", message+arn)
	}
}
