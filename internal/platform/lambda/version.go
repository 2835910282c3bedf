package lambda

import (
	"context"
	"strconv"

	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/tealdeploy/teal/internal/store"
)

// PublishVersion makes an immutable version of $LATEST. When neither code nor configuration has changed since the last
// version was published, it answers with that one and publishes none.
func (s *Service) PublishVersion(ctx context.Context, in *sdk.PublishVersionInput) (*sdk.PublishVersionOutput, error) {
	c := &constraints{}
	optional(in.Description, func(v string) { c.Length("description", v, 0, 256) })
	r, err := s.parse(shortName, in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	if r.qualifier != "" && r.qualifier != latest {
		return nil, invalid("A version is published of %s alone, not of %s.", latest, r.qualifier)
	}
	if in.PublishTo != "" {
		return nil, unsupported("PublishTo", "it belongs to capacity providers")
	}
	var v *versionRecord
	err = s.settledChange(ctx, r.name, notFound("Function not found: %s", s.arn(r.name, "")), func(f *function, n *snapshot, b *store.Batch) error {
		current := n.versions[latest]
		if id := value(in.RevisionId); id != "" && id != current.Revision {
			return revisionMismatch("GetFunction/GetAlias")
		}
		if sha := value(in.CodeSha256); sha != "" && sha != codeSHA256(current.Code) {
			return invalid("CodeSHA256 (%s) is different from current CodeSHA256 in %s (%s). Please try again with the CodeSHA256 in %s.", sha, latest, codeSHA256(current.Code), latest)
		}
		var err error
		v, err = s.publishLatest(n, b, in.Description)
		return err
	})
	if err != nil {
		return nil, err
	}
	return (*sdk.PublishVersionOutput)(s.output(v, v.Version)), nil
}

// publishLatest adds a version of $LATEST to the draft and the batch, or gives the last one when it would be the same.
func (s *Service) publishLatest(n *snapshot, b *store.Batch, description *string) (*versionRecord, error) {
	current := n.versions[latest].versionRecord
	last := n.versions[strconv.FormatInt(n.record.NextVersion-1, 10)]
	if last != nil && last.Source == current.digest() {
		return last.versionRecord, nil
	}
	r := *current
	r.Version = strconv.FormatInt(n.record.NextVersion, 10)
	r.Revision, r.Source = newRevision(), current.digest()
	r.Config = r.Config.clone()
	set(&r.Config.Description, description)
	n.record.NextVersion++
	n.versions[r.Version] = &version{versionRecord: &r}
	if err := put(b, functionBucket, r.Function, n.record); err != nil {
		return nil, err
	}
	return &r, put(b, versionBucket, r.Function+"/"+r.Version, r)
}
