package lambda

import (
	"context"
	"crypto/rand"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/store"
)

// urlRecord is the URL of a function or of one of its aliases.
type urlRecord struct {
	ID       string      `json:"id"` // first label of the host name
	Auth     string      `json:"auth"`
	Mode     string      `json:"mode,omitempty"` // "" is BUFFERED
	CORS     *types.Cors `json:"cors,omitempty"`
	Created  time.Time   `json:"created"`
	Modified time.Time   `json:"modified"`
}

// urlTarget is what a URL's id leads to.
type urlTarget struct{ function, qualifier string }

// urlQualifier is an alias: neither $LATEST nor a version can have a URL.
var urlQualifier = func() pattern {
	word, digits := newPattern(`[0-9a-zA-Z-_]+`), newPattern(`\d+`)
	return pattern{`((?!^\d+$)^[0-9a-zA-Z-_]+$)`, func(s string) bool { return word.matches(s) && !digits.matches(s) }}
}()

const noURL = "The resource you requested does not exist."

// urlRef reads a function and alias and checks the members that the operations share.
func (s *Service) urlRef(function, qualifier *string, auth types.FunctionUrlAuthType, mode types.InvokeMode, cors *types.Cors, needAuth bool) (ref, error) {
	c := &constraints{}
	optional(qualifier, func(v string) {
		c.Length("qualifier", v, 1, 128)
		c.pattern("qualifier", v, urlQualifier)
	})
	if needAuth && auth == "" {
		c.Null("authType")
	}
	c.Enum("authType", string(auth), "NONE", "AWS_IAM")
	c.Enum("invokeMode", string(mode), "RESPONSE_STREAM", "BUFFERED")
	constrainCORS(c, cors)
	d := &constraints{}
	if function == nil {
		d.Null("functionName")
	} else {
		d.Length("functionName", *function, 1, shortName.max)
		d.pattern("functionName", *function, shortName.pattern)
	}
	d.Add(&c.Violations)
	if err := d.Err(); err != nil {
		return ref{}, err
	}
	r, err := s.parse(shortName, function, qualifier, nil)
	if err == nil && r.qualifier != "" && !urlQualifier.matches(r.qualifier) {
		err = invalid("A URL belongs to a function or to an alias, not to the version %s.", r.qualifier)
	}
	return r, err
}

func constrainCORS(c *constraints, cors *types.Cors) {
	if cors == nil {
		return
	}
	lists := map[string]struct {
		values   []string
		max, len int
	}{
		"cors.allowHeaders": {cors.AllowHeaders, 100, 1024}, "cors.allowMethods": {cors.AllowMethods, 6, 6},
		"cors.allowOrigins": {cors.AllowOrigins, 100, 253}, "cors.exposeHeaders": {cors.ExposeHeaders, 100, 1024},
	}
	for _, member := range slices.Sorted(maps.Keys(lists)) {
		l := lists[member]
		if len(l.values) > l.max {
			c.Fail(list(l.values), member, "Member must have length less than or equal to "+strconv.Itoa(l.max))
		}
		if slices.ContainsFunc(l.values, func(v string) bool { return v == "" || len(v) > l.len }) {
			c.Fail(list(l.values), member, "Member must satisfy constraint: [Member must have length less than or equal to "+strconv.Itoa(l.len)+", Member must have length greater than or equal to 1, Member must not be null]")
		}
	}
	c.integer("cors.maxAge", cors.MaxAge, 0, 86400)
}

// CreateFunctionUrlConfig gives a function or an alias an address of its own.
func (s *Service) CreateFunctionUrlConfig(ctx context.Context, in *sdk.CreateFunctionUrlConfigInput) (*sdk.CreateFunctionUrlConfigOutput, error) {
	r, err := s.urlRef(in.FunctionName, in.Qualifier, in.AuthType, in.InvokeMode, in.Cors, true)
	if err != nil {
		return nil, err
	}
	missing := notFound("Function does not exist")
	now := s.modified()
	u := &urlRecord{ID: strings.ToLower(rand.Text() + rand.Text()[:6]), Auth: string(in.AuthType), Mode: string(in.InvokeMode), CORS: in.Cors, Created: now, Modified: now}
	err = s.change(ctx, r.name, missing, func(_ *function, n *snapshot, b *store.Batch) error {
		if r.qualifier != "" && n.aliases[r.qualifier] == nil {
			return missing
		}
		if n.urls[r.qualifier] != nil {
			return conflict("Failed to create function url config for [functionArn = %s]. Error message:  FunctionUrlConfig exists for this Lambda function", s.arn(r.name, r.qualifier))
		}
		n.urls[r.qualifier] = u
		return put(b, urlBucket, r.name+"/"+r.qualifier, u)
	})
	if err != nil {
		return nil, err
	}
	s.urls.Store(u.ID, urlTarget{r.name, r.qualifier})
	d := s.describeURL(ctx, u, r)
	return &sdk.CreateFunctionUrlConfigOutput{
		AuthType: d.AuthType, CreationTime: d.CreationTime, FunctionArn: d.FunctionArn, FunctionUrl: d.FunctionUrl, Cors: d.Cors, InvokeMode: types.InvokeMode(u.Mode),
	}, nil
}

// GetFunctionUrlConfig answers with the URL of a function or an alias.
func (s *Service) GetFunctionUrlConfig(ctx context.Context, in *sdk.GetFunctionUrlConfigInput) (*sdk.GetFunctionUrlConfigOutput, error) {
	r, err := s.urlRef(in.FunctionName, in.Qualifier, "", "", nil, false)
	if err != nil {
		return nil, err
	}
	n, err := s.look(r.name)
	if err != nil {
		return nil, err
	}
	if n == nil || n.urls[r.qualifier] == nil {
		return nil, notFound("%s", noURL)
	}
	d := s.describeURL(ctx, n.urls[r.qualifier], r)
	return &sdk.GetFunctionUrlConfigOutput{
		AuthType: d.AuthType, CreationTime: d.CreationTime, FunctionArn: d.FunctionArn, FunctionUrl: d.FunctionUrl, LastModifiedTime: d.LastModifiedTime,
		Cors: d.Cors, InvokeMode: d.InvokeMode,
	}, nil
}

// UpdateFunctionUrlConfig changes what is given of a URL's settings. The address stays.
func (s *Service) UpdateFunctionUrlConfig(ctx context.Context, in *sdk.UpdateFunctionUrlConfigInput) (*sdk.UpdateFunctionUrlConfigOutput, error) {
	r, err := s.urlRef(in.FunctionName, in.Qualifier, in.AuthType, in.InvokeMode, in.Cors, false)
	if err != nil {
		return nil, err
	}
	missing := notFound("%s", noURL)
	var u *urlRecord
	err = s.change(ctx, r.name, missing, func(_ *function, n *snapshot, b *store.Batch) error {
		old := n.urls[r.qualifier]
		if old == nil {
			return missing
		}
		changed := *old
		u = &changed
		if in.AuthType != "" {
			u.Auth = string(in.AuthType)
		}
		if in.InvokeMode != "" {
			u.Mode = string(in.InvokeMode)
		}
		if in.Cors != nil {
			u.CORS = in.Cors
		}
		u.Modified = s.modified()
		n.urls[r.qualifier] = u
		return put(b, urlBucket, r.name+"/"+r.qualifier, u)
	})
	if err != nil {
		return nil, err
	}
	d := s.describeURL(ctx, u, r)
	return &sdk.UpdateFunctionUrlConfigOutput{
		AuthType: d.AuthType, CreationTime: d.CreationTime, FunctionArn: d.FunctionArn, FunctionUrl: d.FunctionUrl, LastModifiedTime: d.LastModifiedTime,
		Cors: d.Cors, InvokeMode: types.InvokeMode(u.Mode),
	}, nil
}

// DeleteFunctionUrlConfig takes the URL of a function or an alias away for good: a later one has another address.
func (s *Service) DeleteFunctionUrlConfig(ctx context.Context, in *sdk.DeleteFunctionUrlConfigInput) (*sdk.DeleteFunctionUrlConfigOutput, error) {
	r, err := s.urlRef(in.FunctionName, in.Qualifier, "", "", nil, false)
	if err != nil {
		return nil, err
	}
	missing := notFound("%s", noURL)
	err = s.change(ctx, r.name, missing, func(_ *function, n *snapshot, b *store.Batch) error {
		if n.urls[r.qualifier] == nil {
			return missing
		}
		dropFrom(n.urls, b, urlBucket, r.name+"/"+r.qualifier, r.qualifier)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &sdk.DeleteFunctionUrlConfigOutput{}, nil
}

// ListFunctionUrlConfigs lists the URLs of a function, its own first and then its aliases'.
func (s *Service) ListFunctionUrlConfigs(ctx context.Context, in *sdk.ListFunctionUrlConfigsInput) (*sdk.ListFunctionUrlConfigsOutput, error) {
	c := &constraints{}
	c.integer("maxItems", in.MaxItems, 1, 50)
	r, err := s.parse(shortName, in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	n, err := s.functionNamed(r.name)
	if err != nil {
		return nil, notFound("Function does not exist")
	}
	qualifiers, next, err := page(slices.Sorted(maps.Keys(n.urls)), func(q string) string { return ":" + q }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListFunctionUrlConfigsOutput{FunctionUrlConfigs: []types.FunctionUrlConfig{}, NextMarker: next}
	for _, q := range qualifiers {
		out.FunctionUrlConfigs = append(out.FunctionUrlConfigs, s.describeURL(ctx, n.urls[q], ref{r.name, q}))
	}
	return out, nil
}

func (s *Service) describeURL(ctx context.Context, u *urlRecord, r ref) types.FunctionUrlConfig {
	mode := types.InvokeModeBuffered
	if u.Mode != "" {
		mode = types.InvokeMode(u.Mode)
	}
	return types.FunctionUrlConfig{
		AuthType: types.FunctionUrlAuthType(u.Auth), CreationTime: aws.String(u.Created.Format(modifiedFormat)), FunctionArn: aws.String(s.arn(r.name, r.qualifier)),
		FunctionUrl: aws.String(s.address(ctx, u.ID)), LastModifiedTime: aws.String(u.Modified.Format(modifiedFormat)), Cors: u.CORS, InvokeMode: mode,
	}
}

// address is a URL as a client on this machine reaches it, on the port on which it has reached the platform.
func (s *Service) address(ctx context.Context, id string) string {
	host := id + urlLabel + s.cfg.Region + ".localhost"
	if _, port, err := net.SplitHostPort(awsproto.CallOf(ctx).Host); err == nil {
		host = net.JoinHostPort(host, port)
	}
	return "http://" + host + "/"
}
