package codedeploy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/tealdeploy/teal/internal/rollout"
)

// appSpec is what an AppSpec file for Lambda says.
//
// https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html
type appSpec struct {
	Function string            `json:"function"` // its name
	Alias    string            `json:"alias"`
	Current  string            `json:"current"`
	Target   string            `json:"target"`
	Hooks    map[string]string `json:"hooks,omitempty"` // lifecycle event → function
}

// invalidSpec says why a file that can be read says nothing that can be deployed. AWS takes such a revision and fails the
// deployment.
type invalidSpec struct{ reason string }

func (e *invalidSpec) Error() string { return e.reason }

// parseAppSpec reads an AppSpec file in YAML or JSON. The names of its members are taken in any case, as AWS's own
// examples have both. The error is an *invalidSpec, or another one for what is not a document at all.
func parseAppSpec(content string) (*appSpec, error) {
	if len(content) > maxContent {
		return nil, fmt.Errorf("it has %d bytes; at most %d are read", len(content), maxContent)
	}
	for _, t := range lexer.Tokenize(content) {
		if t.Type == token.AnchorType || t.Type == token.AliasType || t.Type == token.MergeKeyType {
			return nil, errors.New("anchors and aliases of YAML are not read")
		}
	}
	var file map[string]any
	if err := yaml.Unmarshal([]byte(content), &file); err != nil {
		return nil, fmt.Errorf("it is neither YAML nor JSON: %s", strings.SplitN(err.Error(), "\n", 2)[0])
	}
	invalid := func(format string, args ...any) (*appSpec, error) {
		return nil, &invalidSpec{fmt.Sprintf(format, args...)}
	}
	top, err := lower(file)
	if err != nil {
		return nil, &invalidSpec{err.Error()}
	}
	if v := scalar(top["version"]); v != "0.0" && v != "0" {
		return invalid("version must be 0.0, not %q", v)
	}
	for name := range top {
		if !slices.Contains([]string{"version", "resources", "hooks"}, name) {
			return invalid("it has an unknown section %s", name)
		}
	}
	resources, ok := top["resources"].([]any)
	if !ok || len(resources) != 1 {
		return invalid("resources must list exactly one function")
	}
	named, ok := resources[0].(map[string]any)
	if !ok || len(named) != 1 {
		return invalid("resources must list exactly one function")
	}
	spec := &appSpec{Hooks: map[string]string{}}
	for _, r := range named {
		resource, err := lower(r)
		if err != nil {
			return nil, &invalidSpec{err.Error()}
		}
		if t := scalar(resource["type"]); t != "AWS::Lambda::Function" {
			return invalid("the type of the resource must be AWS::Lambda::Function, not %q", t)
		}
		properties, err := lower(resource["properties"])
		if err != nil {
			return nil, &invalidSpec{err.Error()}
		}
		spec.Function, spec.Alias = scalar(properties["name"]), scalar(properties["alias"])
		spec.Current, spec.Target = scalar(properties["currentversion"]), scalar(properties["targetversion"])
	}
	switch {
	case spec.Function == "" || spec.Alias == "" || spec.Current == "" || spec.Target == "":
		return invalid("Name, Alias, CurrentVersion and TargetVersion are needed")
	}
	return spec, spec.readHooks(top["hooks"])
}

func (spec *appSpec) readHooks(v any) error {
	if v == nil {
		return nil
	}
	list, ok := v.([]any)
	if !ok {
		return &invalidSpec{"hooks must be a list"}
	}
	for _, item := range list {
		entry, ok := item.(map[string]any)
		if !ok || len(entry) != 1 {
			return &invalidSpec{"each hook names one lifecycle event and one function"}
		}
		for event, function := range entry {
			name := scalar(function)
			switch {
			case event != rollout.BeforeAllowTraffic && event != rollout.AfterAllowTraffic:
				return &invalidSpec{fmt.Sprintf("there is no hook %s for Lambda; there are BeforeAllowTraffic and AfterAllowTraffic", event)}
			case name == "":
				return &invalidSpec{"the hook " + event + " names no function"}
			case spec.Hooks[event] != "":
				return &invalidSpec{"the hook " + event + " is given twice"}
			}
			spec.Hooks[event] = name
		}
	}
	return nil
}

// lower gives a mapping with its keys in lower case.
func lower(v any) (map[string]any, error) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, errors.New("a section that must be a mapping is not one")
	}
	out := make(map[string]any, len(m))
	for k, v := range m {
		l := strings.ToLower(k)
		if _, twice := out[l]; twice {
			return nil, fmt.Errorf("%s is given twice", k)
		}
		out[l] = v
	}
	return out, nil
}

// scalar gives a text, or a number as it stands: versions are often written without quotes.
func scalar(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		if v == 0 {
			return "0.0"
		}
	case uint64, int64, int:
		return fmt.Sprint(v)
	}
	return ""
}

// contentOf gives the AppSpec file that a revision holds itself or names in S3. missing tells that it names one that
// cannot be read: AWS takes such a revision and fails the deployment.
func (s *Service) contentOf(ctx context.Context, r *types.RevisionLocation) (content string, missing, err error) {
	switch {
	case r.AppSpecContent != nil:
		return aws.ToString(r.AppSpecContent.Content), nil, nil
	case rawString(r) != nil:
		return aws.ToString(rawString(r).Content), nil, nil
	case s.objects == nil:
		return "", nil, &types.InvalidRevisionException{Message: text("There are no revisions in S3 here: give the content")}
	}
	at := r.S3Location
	out, err := s.objects.GetObject(ctx, &s3.GetObjectInput{Bucket: at.Bucket, Key: at.Key, IfMatch: quoted(at.ETag)})
	if err != nil {
		if ctx.Err() != nil {
			return "", nil, err
		}
		return "", fmt.Errorf("s3://%s/%s cannot be read: %w", aws.ToString(at.Bucket), aws.ToString(at.Key), err), nil
	}
	defer out.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(out.Body, maxContent+1))
	if err != nil {
		return "", nil, fmt.Errorf("reading s3://%s/%s: %w", *at.Bucket, *at.Key, err)
	}
	return string(raw), nil, nil
}

// quoted gives an ETag as HTTP has it; CodeDeploy takes it with and without quotes.
func quoted(etag *string) *string {
	if etag == nil {
		return nil
	}
	return aws.String(`"` + strings.Trim(*etag, `"`) + `"`)
}

func digest(content string) string {
	sum := sha256.Sum256([]byte(content))
	return hex.EncodeToString(sum[:])
}
