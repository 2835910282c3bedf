package s3

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/store"
)

// maxPage is the longest page of keys, parts or uploads.
const maxPage = 1000

// pageSize reads a limit that a request asks for: larger pages are made maxPage long.
func pageSize(asked *int32, name string) (int, error) {
	switch {
	case asked == nil || *asked > maxPage:
		return maxPage, nil
	case *asked < 0:
		return 0, invalidArgument("Argument "+name+" must be an integer between 0 and 2147483647", name, "")
	}
	return int(*asked), nil
}

// listing is a question for keys, and its answer.
type listing struct {
	bucket, prefix, delimiter string
	after                     string // keys and common prefixes up to here are left out
	limit                     int

	objects   []types.Object
	prefixes  []types.CommonPrefix
	last      string // key or common prefix that ends the page
	truncated bool
}

// list fills in the answer: keys in the order of their bytes, with those that have the delimiter after the prefix
// rolled up into common prefixes.
func (s *Service) list(ctx context.Context, l *listing) error {
	if _, _, err := s.bucket(ctx, l.bucket); err != nil {
		return err
	}
	if l.limit == 0 {
		return nil
	}
	base := l.bucket + "/"
	all := store.Prefix(base + l.prefix)
	from := all.From
	if l.after != "" {
		from = max(from, base+l.after+"\x00")
		if l.delimiter != "" && strings.HasPrefix(l.after, l.prefix) {
			// Where the last page ended in a common prefix, all that it stands for has been told.
			if common, ok := rollUp(l.after, l.prefix, l.delimiter); ok && common == l.after {
				from = store.Prefix(base + common).To
			}
		}
	}
	for {
		again := ""
		for e, err := range s.cfg.Store.Scan(ctx, objectsAt, store.Range{From: from, To: all.To}) {
			if err != nil {
				return err
			}
			if len(l.objects)+len(l.prefixes) == l.limit {
				l.truncated = true
				return nil
			}
			key := e.Key[len(base):]
			if l.delimiter != "" {
				if common, ok := rollUp(key, l.prefix, l.delimiter); ok {
					l.prefixes = append(l.prefixes, types.CommonPrefix{Prefix: aws.String(common)})
					l.last = common
					again = store.Prefix(base + common).To
					break
				}
			}
			rec, err := decode[objectRecord](objectsAt, e.Key, e.Value)
			if err != nil {
				return err
			}
			l.objects = append(l.objects, types.Object{
				Key: aws.String(key), ETag: quoted(rec.ETag), Size: aws.Int64(rec.Size), LastModified: aws.Time(rec.Modified),
				StorageClass: types.ObjectStorageClassStandard, ChecksumAlgorithm: []types.ChecksumAlgorithm{types.ChecksumAlgorithm(rec.Checksum.Algorithm)},
				ChecksumType: types.ChecksumType(rec.Checksum.Type),
			})
			l.last = key
		}
		if again == "" {
			return nil
		}
		from = again
	}
}

// rollUp gives the common prefix that a key belongs to.
func rollUp(key, prefix, delimiter string) (string, bool) {
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}

// encoder writes names as the request's encoding-type has them.
func encoder(kind types.EncodingType) (func(*string) *string, error) {
	switch kind {
	case "":
		return func(s *string) *string { return s }, nil
	case types.EncodingTypeUrl:
		return func(s *string) *string {
			if s == nil {
				return nil
			}
			return aws.String(strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(*s)))
		}, nil
	}
	return nil, invalidArgument("Invalid Encoding Method specified in Request", "encoding-type", string(kind))
}

// Continuation tokens hold where a page ended; they are opaque to clients.

func writeToken(last string) string {
	return base64.RawURLEncoding.EncodeToString([]byte("1" + last))
}

func readToken(token string) (string, error) {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) == 0 || b[0] != '1' {
		return "", invalidArgument("The continuation token provided is incorrect", "continuation-token", token)
	}
	return string(b[1:]), nil
}

func (l *listing) encode(enc func(*string) *string) {
	for i := range l.objects {
		l.objects[i].Key = enc(l.objects[i].Key)
	}
	for i := range l.prefixes {
		l.prefixes[i].Prefix = enc(l.prefixes[i].Prefix)
	}
}

var acceptListObjectsV2 = accept[s3.ListObjectsV2Input]("Prefix Delimiter MaxKeys ContinuationToken StartAfter FetchOwner EncodingType")

// ListObjectsV2 lists a bucket's keys in pages of up to 1,000, in the order of their bytes.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html
func (s *Service) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (*s3.ListObjectsV2Output, error) {
	if err := s.check(acceptListObjectsV2, in); err != nil {
		return nil, err
	}
	enc, err := encoder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	l := &listing{bucket: aws.ToString(in.Bucket), prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), after: aws.ToString(in.StartAfter)}
	if l.limit, err = pageSize(in.MaxKeys, "max-keys"); err != nil {
		return nil, err
	}
	if in.ContinuationToken != nil {
		if l.after, err = readToken(*in.ContinuationToken); err != nil {
			return nil, err
		}
	}
	if err := s.list(ctx, l); err != nil {
		return nil, err
	}
	if aws.ToBool(in.FetchOwner) {
		for i := range l.objects {
			l.objects[i].Owner = &types.Owner{ID: aws.String(s.owner)}
		}
	}
	l.encode(enc)
	out := &s3.ListObjectsV2Output{
		Name: in.Bucket, Prefix: enc(aws.String(l.prefix)), Delimiter: enc(in.Delimiter), StartAfter: enc(in.StartAfter),
		ContinuationToken: in.ContinuationToken, EncodingType: in.EncodingType, MaxKeys: aws.Int32(int32(l.limit)),
		KeyCount: aws.Int32(int32(len(l.objects) + len(l.prefixes))), IsTruncated: aws.Bool(l.truncated),
		Contents: l.objects, CommonPrefixes: l.prefixes,
	}
	if l.truncated {
		out.NextContinuationToken = aws.String(writeToken(l.last))
	}
	return out, nil
}

var acceptListObjects = accept[s3.ListObjectsInput]("Prefix Delimiter MaxKeys Marker EncodingType")

// ListObjects is the older form of ListObjectsV2.
func (s *Service) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (*s3.ListObjectsOutput, error) {
	if err := s.check(acceptListObjects, in); err != nil {
		return nil, err
	}
	enc, err := encoder(in.EncodingType)
	if err != nil {
		return nil, err
	}
	l := &listing{bucket: aws.ToString(in.Bucket), prefix: aws.ToString(in.Prefix), delimiter: aws.ToString(in.Delimiter), after: aws.ToString(in.Marker)}
	if l.limit, err = pageSize(in.MaxKeys, "max-keys"); err != nil {
		return nil, err
	}
	if err := s.list(ctx, l); err != nil {
		return nil, err
	}
	for i := range l.objects {
		l.objects[i].Owner = &types.Owner{ID: aws.String(s.owner)}
	}
	l.encode(enc)
	out := &s3.ListObjectsOutput{
		Name: in.Bucket, Prefix: enc(aws.String(l.prefix)), Delimiter: enc(in.Delimiter), Marker: enc(aws.String(aws.ToString(in.Marker))),
		EncodingType: in.EncodingType, MaxKeys: aws.Int32(int32(l.limit)), IsTruncated: aws.Bool(l.truncated),
		Contents: l.objects, CommonPrefixes: l.prefixes,
	}
	if l.truncated && l.delimiter != "" { // without one, clients go on from the last key
		out.NextMarker = enc(aws.String(l.last))
	}
	return out, nil
}
