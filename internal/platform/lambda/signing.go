package lambda

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/tealdeploy/teal/internal/store"
)

// signingRecord is a code signing configuration. There is no AWS Signer here: every package is unsigned, so the policy
// Enforce refuses all code, and Warn none.
type signingRecord struct {
	ID          string            `json:"id"`
	Description string            `json:"description,omitempty"`
	Publishers  []string          `json:"publishers"` // ARNs of signing profile versions
	Policy      string            `json:"policy"`     // Warn or Enforce
	Tags        map[string]string `json:"tags,omitempty"`
	Modified    time.Time         `json:"modified"`
}

// signings holds the configurations. Whoever changes one, or puts a function under one, holds the lock, the write to the
// store included.
type signings struct {
	mu  sync.Mutex
	all map[string]signingRecord
}

var (
	signingARNPattern = newPattern(`arn:(aws[a-zA-Z-]*)?:lambda:(eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1}:\d{12}:code-signing-config:csc-[a-z0-9]{17}`)
	profilePattern    = newPattern(`arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`)
)

const (
	maxSigningARN = 200
	maxProfiles   = 20
)

func (s *Service) loadSigning(ctx context.Context) error {
	s.signing.all = map[string]signingRecord{}
	return scan(ctx, s.cfg.Store, signingBucket, func(id string, r signingRecord) error {
		s.signing.all[id] = r
		return nil
	})
}

func (s *Service) signingARN(id string) string {
	return "arn:aws:lambda:" + s.cfg.Region + ":" + s.cfg.Account + ":code-signing-config:" + id
}

// newSigningID draws an id such as csc-0123456789abcdefg.
func newSigningID() string { return "csc-" + strings.ToLower(rand.Text()[:17]) }

// signingID reads a configuration's ARN. It is "" for one that cannot be here.
func (s *Service) signingID(arn *string, c *constraints) (string, error) {
	if arn == nil {
		c.Null("codeSigningConfigArn")
	} else {
		c.Length("codeSigningConfigArn", *arn, 0, maxSigningARN)
		c.pattern("codeSigningConfigArn", *arn, signingARNPattern)
	}
	if err := c.Err(); err != nil {
		return "", err
	}
	id, _ := strings.CutPrefix(*arn, s.signingARN(""))
	return id, nil
}

func noSigning(arn *string) error {
	return &types.ResourceNotFoundException{Message: aws.String("The Lambda code signing configuration " + value(arn) + " can not be found.")}
}

func constrainSigning(c *constraints, description *string, publishers *types.AllowedPublishers, policies *types.CodeSigningPolicies) {
	optional(description, func(v string) { c.Length("description", v, 0, 256) })
	if publishers != nil {
		arns := publishers.SigningProfileVersionArns
		switch {
		case arns == nil:
			c.Null("allowedPublishers.signingProfileVersionArns")
		case len(arns) == 0:
			c.Fail("[]", "allowedPublishers.signingProfileVersionArns", "Member must have length greater than or equal to 1")
		case len(arns) > maxProfiles:
			c.Fail(list(arns), "allowedPublishers.signingProfileVersionArns", "Member must have length less than or equal to 20")
		}
		if slices.ContainsFunc(arns, func(a string) bool { return !profilePattern.matches(a) }) {
			c.Fail(list(arns), "allowedPublishers.signingProfileVersionArns", "Member must satisfy constraint: [Member must satisfy regular expression pattern: "+profilePattern.text+", Member must not be null]")
		}
	}
	if policies != nil {
		c.Enum("codeSigningPolicies.untrustedArtifactOnDeployment", string(policies.UntrustedArtifactOnDeployment), "Enforce", "Warn")
	}
}

// CreateCodeSigningConfig records a configuration.
func (s *Service) CreateCodeSigningConfig(ctx context.Context, in *sdk.CreateCodeSigningConfigInput) (*sdk.CreateCodeSigningConfigOutput, error) {
	c := &constraints{}
	if in.AllowedPublishers == nil {
		c.Null("allowedPublishers")
	}
	constrainSigning(c, in.Description, in.AllowedPublishers, in.CodeSigningPolicies)
	if err := c.Err(); err != nil {
		return nil, err
	}
	if len(in.Tags) > maxTags {
		return nil, tooManyTags()
	}
	r := signingRecord{
		ID: newSigningID(), Description: value(in.Description), Publishers: in.AllowedPublishers.SigningProfileVersionArns,
		Policy: string(types.CodeSigningPolicyWarn), Modified: s.modified(), Tags: maps.Clone(in.Tags),
	}
	if p := in.CodeSigningPolicies; p != nil && p.UntrustedArtifactOnDeployment != "" {
		r.Policy = string(p.UntrustedArtifactOnDeployment)
	}
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	if err := s.putSigning(ctx, r); err != nil {
		return nil, err
	}
	return &sdk.CreateCodeSigningConfigOutput{CodeSigningConfig: s.describeSigning(r)}, nil
}

// putSigning stores a configuration; the caller holds the lock.
func (s *Service) putSigning(ctx context.Context, r signingRecord) error {
	b := &store.Batch{}
	if err := put(b, signingBucket, r.ID, r); err != nil {
		return err
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	s.signing.all[r.ID] = r
	return nil
}

func (s *Service) describeSigning(r signingRecord) *types.CodeSigningConfig {
	return &types.CodeSigningConfig{
		AllowedPublishers:    &types.AllowedPublishers{SigningProfileVersionArns: slices.Clone(r.Publishers)},
		CodeSigningConfigArn: aws.String(s.signingARN(r.ID)), CodeSigningConfigId: aws.String(r.ID),
		CodeSigningPolicies: &types.CodeSigningPolicies{UntrustedArtifactOnDeployment: types.CodeSigningPolicy(r.Policy)},
		LastModified:        aws.String(r.Modified.Format(modifiedFormat)), Description: aws.String(r.Description),
	}
}

// GetCodeSigningConfig answers with a configuration.
func (s *Service) GetCodeSigningConfig(_ context.Context, in *sdk.GetCodeSigningConfigInput) (*sdk.GetCodeSigningConfigOutput, error) {
	id, err := s.signingID(in.CodeSigningConfigArn, &constraints{})
	if err != nil {
		return nil, err
	}
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	r, ok := s.signing.all[id]
	if !ok {
		return nil, noSigning(in.CodeSigningConfigArn)
	}
	return &sdk.GetCodeSigningConfigOutput{CodeSigningConfig: s.describeSigning(r)}, nil
}

// UpdateCodeSigningConfig changes what is given of a configuration.
func (s *Service) UpdateCodeSigningConfig(ctx context.Context, in *sdk.UpdateCodeSigningConfigInput) (*sdk.UpdateCodeSigningConfigOutput, error) {
	c := &constraints{}
	constrainSigning(c, in.Description, in.AllowedPublishers, in.CodeSigningPolicies)
	id, err := s.signingID(in.CodeSigningConfigArn, c)
	if err != nil {
		return nil, err
	}
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	r, ok := s.signing.all[id]
	if !ok {
		return nil, noSigning(in.CodeSigningConfigArn)
	}
	set(&r.Description, in.Description)
	if in.AllowedPublishers != nil {
		r.Publishers = in.AllowedPublishers.SigningProfileVersionArns
	}
	if p := in.CodeSigningPolicies; p != nil && p.UntrustedArtifactOnDeployment != "" {
		r.Policy = string(p.UntrustedArtifactOnDeployment)
	}
	r.Modified = s.modified()
	if err := s.putSigning(ctx, r); err != nil {
		return nil, err
	}
	return &sdk.UpdateCodeSigningConfigOutput{CodeSigningConfig: s.describeSigning(r)}, nil
}

// DeleteCodeSigningConfig deletes a configuration that no function is under.
func (s *Service) DeleteCodeSigningConfig(ctx context.Context, in *sdk.DeleteCodeSigningConfigInput) (*sdk.DeleteCodeSigningConfigOutput, error) {
	id, err := s.signingID(in.CodeSigningConfigArn, &constraints{})
	if err != nil {
		return nil, err
	}
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	if _, ok := s.signing.all[id]; !ok {
		return nil, noSigning(in.CodeSigningConfigArn)
	}
	used, err := s.signed(ctx, id)
	if err != nil {
		return nil, err
	}
	if len(used) > 0 {
		return nil, conflict("The code signing configuration %s is in use by %d functions. Detach it from them first.", value(in.CodeSigningConfigArn), len(used))
	}
	b := &store.Batch{}
	b.Delete(signingBucket, id)
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	delete(s.signing.all, id)
	return &sdk.DeleteCodeSigningConfigOutput{}, nil
}

// ListCodeSigningConfigs lists the configurations by their ids.
func (s *Service) ListCodeSigningConfigs(_ context.Context, in *sdk.ListCodeSigningConfigsInput) (*sdk.ListCodeSigningConfigsOutput, error) {
	c := &constraints{}
	c.integer("maxItems", in.MaxItems, 1, 10000)
	if err := c.Err(); err != nil {
		return nil, err
	}
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	ids, next, err := page(slices.Sorted(maps.Keys(s.signing.all)), func(id string) string { return id }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListCodeSigningConfigsOutput{CodeSigningConfigs: []types.CodeSigningConfig{}, NextMarker: next}
	for _, id := range ids {
		out.CodeSigningConfigs = append(out.CodeSigningConfigs, *s.describeSigning(s.signing.all[id]))
	}
	return out, nil
}

// ListFunctionsByCodeSigningConfig lists the functions that are under a configuration.
func (s *Service) ListFunctionsByCodeSigningConfig(ctx context.Context, in *sdk.ListFunctionsByCodeSigningConfigInput) (*sdk.ListFunctionsByCodeSigningConfigOutput, error) {
	c := &constraints{}
	c.integer("maxItems", in.MaxItems, 1, 10000)
	id, err := s.signingID(in.CodeSigningConfigArn, c)
	if err != nil {
		return nil, err
	}
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	if _, ok := s.signing.all[id]; !ok {
		return nil, noSigning(in.CodeSigningConfigArn)
	}
	all, err := s.signed(ctx, id)
	if err != nil {
		return nil, err
	}
	names, next, err := page(all, func(n string) string { return n }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListFunctionsByCodeSigningConfigOutput{FunctionArns: []string{}, NextMarker: next}
	for _, n := range names {
		out.FunctionArns = append(out.FunctionArns, s.arn(n, ""))
	}
	return out, nil
}

// signed lists the functions under a configuration, and wakes nobody.
func (s *Service) signed(ctx context.Context, id string) (names []string, err error) {
	err = scan(ctx, s.cfg.Store, functionBucket, func(name string, r functionRecord) error {
		if r.Signing == id {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// PutFunctionCodeSigningConfig puts a function under a configuration. Code that is there stays.
func (s *Service) PutFunctionCodeSigningConfig(ctx context.Context, in *sdk.PutFunctionCodeSigningConfigInput) (*sdk.PutFunctionCodeSigningConfigOutput, error) {
	c := &constraints{}
	id, err := s.signingID(in.CodeSigningConfigArn, c)
	var name string
	if err == nil || c.Any() {
		name, err = s.unqualified(shortName, in.FunctionName, c)
	}
	if err != nil {
		return nil, err
	}
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	if _, ok := s.signing.all[id]; !ok {
		return nil, signingGone(in.CodeSigningConfigArn)
	}
	if err := s.putFunctionSigning(ctx, name, id); err != nil {
		return nil, err
	}
	return &sdk.PutFunctionCodeSigningConfigOutput{CodeSigningConfigArn: aws.String(s.signingARN(id)), FunctionName: aws.String(name)}, nil
}

// signingNamed reads the ARN of a configuration that exists.
func (s *Service) signingNamed(arn *string) (string, error) {
	id, err := s.signingID(arn, &constraints{})
	if err != nil {
		return "", err
	}
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	if _, ok := s.signing.all[id]; !ok {
		return "", signingGone(arn)
	}
	return id, nil
}

func signingGone(arn *string) error {
	return &types.CodeSigningConfigNotFoundException{
		Message: aws.String("The code signing configuration cannot be found. Check that the provided configuration is not deleted: " + value(arn) + "."), Type: aws.String(userFault),
	}
}

func (s *Service) putFunctionSigning(ctx context.Context, name, id string) error {
	return s.change(ctx, name, notFound("Function not found: %s", s.arn(name, "")), func(_ *function, n *snapshot, b *store.Batch) error {
		if n.record.Signing == id {
			return nil
		}
		n.record.Signing = id
		return put(b, functionBucket, name, n.record)
	})
}

// GetFunctionCodeSigningConfig answers with the configuration that a function is under, or with nothing.
func (s *Service) GetFunctionCodeSigningConfig(_ context.Context, in *sdk.GetFunctionCodeSigningConfigInput) (*sdk.GetFunctionCodeSigningConfigOutput, error) {
	name, err := s.unqualified(shortName, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	n, err := s.functionNamed(name)
	if err != nil {
		return nil, err
	}
	out := &sdk.GetFunctionCodeSigningConfigOutput{}
	if id := n.record.Signing; id != "" {
		out.CodeSigningConfigArn, out.FunctionName = aws.String(s.signingARN(id)), aws.String(name)
	}
	return out, nil
}

// DeleteFunctionCodeSigningConfig takes a function out of its configuration, if it is under one.
func (s *Service) DeleteFunctionCodeSigningConfig(ctx context.Context, in *sdk.DeleteFunctionCodeSigningConfigInput) (*sdk.DeleteFunctionCodeSigningConfigOutput, error) {
	name, err := s.unqualified(shortName, in.FunctionName, nil)
	if err != nil {
		return nil, err
	}
	if err := s.putFunctionSigning(ctx, name, ""); err != nil {
		return nil, err
	}
	return &sdk.DeleteFunctionCodeSigningConfigOutput{}, nil
}

// checkSigned refuses code for a function under a configuration with the policy Enforce: no code here is signed.
func (s *Service) checkSigned(id string) error {
	if id == "" {
		return nil
	}
	s.signing.mu.Lock()
	defer s.signing.mu.Unlock()
	if s.signing.all[id].Policy == string(types.CodeSigningPolicyEnforce) {
		return &types.CodeVerificationFailedException{
			Message: aws.String("Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for " + s.signingARN(id)), Type: aws.String(userFault),
		}
	}
	return nil
}
