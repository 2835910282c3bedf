package s3

import (
	"context"
	"crypto/md5" //nolint:gosec // the protocol's
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/awsproto"
	"github.com/tealdeploy/teal/internal/fault"
	"github.com/tealdeploy/teal/internal/store"
)

// Limits of https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html.
const (
	maxParts = 10000
	minPart  = 5 << 20 // bytes, of every part but the last
)

var acceptCreateMultipartUpload = accept[s3.CreateMultipartUploadInput]("Key ContentType CacheControl ContentDisposition " +
	"ContentEncoding ContentLanguage Expires Metadata ChecksumAlgorithm ChecksumType ACL StorageClass")

// CreateMultipartUpload begins an upload in parts.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CreateMultipartUpload.html
func (s *Service) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput) (*s3.CreateMultipartUploadOutput, error) {
	if err := s.check(acceptCreateMultipartUpload, in); err != nil {
		return nil, err
	}
	bucket, key := aws.ToString(in.Bucket), aws.ToString(in.Key)
	if err := errors.Join(checkKey(key), checkClass(in.ACL, in.StorageClass)); err != nil {
		return nil, err
	}
	meta, err := userMetadata(in.Metadata)
	if err != nil {
		return nil, err
	}
	rec := uploadRecord{Initiated: s.now(), Algorithm: defaultAlgorithm, Type: string(types.ChecksumTypeFullObject), headers: headers{
		ContentType: aws.ToString(in.ContentType), CacheControl: aws.ToString(in.CacheControl),
		ContentDisposition: aws.ToString(in.ContentDisposition), ContentEncoding: aws.ToString(in.ContentEncoding),
		ContentLanguage: aws.ToString(in.ContentLanguage), Expires: in.Expires, Metadata: meta,
	}}
	if in.ChecksumAlgorithm != "" {
		if rec.Type, err = checksumType(string(in.ChecksumAlgorithm), in.ChecksumType); err != nil {
			return nil, err
		}
		rec.Algorithm, rec.Asked = string(in.ChecksumAlgorithm), true
	} else if in.ChecksumType != "" {
		return nil, invalidRequest("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
	}
	s.gate.RLock()
	defer s.gate.RUnlock()
	_, raw, err := s.bucket(ctx, bucket)
	if err != nil {
		return nil, err
	}
	id := rand.Text() + rand.Text()
	b := &store.Batch{}
	b.ExpectValue(bucketsAt, bucket, raw)
	b.Put(uploadsAt, uploadKey(bucket, key, id), encode(rec))
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	out := &s3.CreateMultipartUploadOutput{Bucket: in.Bucket, Key: in.Key, UploadId: aws.String(id)}
	if rec.Asked {
		out.ChecksumAlgorithm, out.ChecksumType = in.ChecksumAlgorithm, types.ChecksumType(rec.Type)
	}
	return out, nil
}

// checksumType decides what kind of checksum the whole object gets.
func checksumType(name string, asked types.ChecksumType) (string, error) {
	alg, err := algorithmOf(name)
	if err != nil {
		return "", err
	}
	full, composite := alg.width != 0, alg.composite
	switch asked {
	case types.ChecksumTypeFullObject:
		composite = false
	case types.ChecksumTypeComposite:
		full = false
	case "":
	default:
		return "", invalidRequest("Value for x-amz-checksum-type header is invalid.")
	}
	switch {
	case composite:
		return string(types.ChecksumTypeComposite), nil
	case full:
		return string(types.ChecksumTypeFullObject), nil
	}
	return "", invalidRequest(fmt.Sprintf("The %s checksum type cannot be used with the %s checksum algorithm.", asked, strings.ToLower(name)))
}

// upload gets an upload's record, or NoSuchBucket or NoSuchUpload.
func (s *Service) upload(ctx context.Context, bucket, key, id string) (uploadRecord, []byte, error) {
	rec, raw, ok, err := read[uploadRecord](ctx, s.cfg.Store, uploadsAt, uploadKey(bucket, key, id))
	if err != nil || ok {
		return rec, raw, err
	}
	if _, _, err := s.bucket(ctx, bucket); err != nil {
		return rec, nil, err
	}
	return rec, nil, noSuchUpload()
}

var acceptUploadPart = accept[s3.UploadPartInput]("Key UploadId PartNumber Body ContentLength ContentMD5 ChecksumAlgorithm " +
	"ChecksumCRC32 ChecksumCRC32C ChecksumCRC64NVME ChecksumSHA1 ChecksumSHA256 ChecksumSHA512 ChecksumMD5")

// UploadPart stores one part, in place of an earlier one of the same number.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_UploadPart.html
func (s *Service) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	if err := s.check(acceptUploadPart, in); err != nil {
		return nil, err
	}
	bucket, key, id, number := aws.ToString(in.Bucket), aws.ToString(in.Key), aws.ToString(in.UploadId), aws.ToInt32(in.PartNumber)
	if number < 1 || number > maxParts {
		return nil, invalidArgument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", fmt.Sprint(number))
	}
	up, _, err := s.upload(ctx, bucket, key, id)
	if err != nil {
		return nil, err
	}
	in2 := arrival{
		body: in.Body, length: in.ContentLength, md5: aws.ToString(in.ContentMD5), algorithm: string(in.ChecksumAlgorithm),
		sums: checksums{in.ChecksumCRC32, in.ChecksumCRC32C, in.ChecksumCRC64NVME, in.ChecksumSHA1, in.ChecksumSHA256, in.ChecksumSHA512, in.ChecksumMD5},
	}
	got, err := s.receivePart(ctx, in2, up)
	if err != nil {
		return nil, err
	}
	lock := s.uploadLock(id)
	lock.Lock()
	defer lock.Unlock()
	_, raw, err := s.upload(ctx, bucket, key, id)
	var old partRecord
	if err == nil {
		old, _, _, err = read[partRecord](ctx, s.cfg.Store, partsAt, partKey(id, number))
	}
	if err != nil {
		s.blobs.remove(files([]segment{got.segment}))
		return nil, err
	}
	rec := partRecord{segment: got.segment, ETag: hexETag(got.md5), Modified: s.now(), Checksum: got.checksum}
	b := &store.Batch{}
	b.ExpectValue(uploadsAt, uploadKey(bucket, key, id), raw)
	b.Put(partsAt, partKey(id, number), encode(rec))
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		if notApplied(err) {
			s.blobs.remove(files([]segment{got.segment}))
		}
		if errors.Is(err, store.ErrConflict) { // the bucket was deleted meanwhile
			err = noSuchUpload()
		}
		return nil, err
	}
	s.blobs.remove(files([]segment{old.segment}))
	sum := got.checksum.members()
	return &s3.UploadPartOutput{
		ETag: quoted(rec.ETag), ChecksumCRC32: sum.CRC32, ChecksumCRC32C: sum.CRC32C, ChecksumCRC64NVME: sum.CRC64NVME,
		ChecksumSHA1: sum.SHA1, ChecksumSHA256: sum.SHA256, ChecksumSHA512: sum.SHA512, ChecksumMD5: sum.MD5,
	}, nil
}

// receivePart takes a part in with the checksum of its upload. A client that chose none for the upload may still send
// one with a part, of any algorithm: it is checked, and the upload's own is kept.
func (s *Service) receivePart(ctx context.Context, in arrival, up uploadRecord) (received, error) {
	name, _, err := in.sums.given()
	if err != nil {
		return received{}, err
	}
	if t, ok := in.body.(trailered); ok && name == "" {
		name = trailerAlgorithm(t.Promised())
	}
	if name == "" {
		name = in.algorithm
	}
	if name == "" {
		in.algorithm, name = up.Algorithm, up.Algorithm
	}
	if name == up.Algorithm {
		return s.receive(ctx, in)
	}
	if up.Asked {
		return received{}, invalidRequest(fmt.Sprintf("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s",
			strings.ToLower(up.Algorithm), strings.ToLower(name)))
	}
	alg, err := algorithmOf(up.Algorithm)
	if err != nil {
		return received{}, err
	}
	own := alg.new()
	in.also = own
	got, err := s.receive(ctx, in)
	got.checksum = checksum{Algorithm: up.Algorithm, Value: encodeSum(own), Type: got.checksum.Type}
	return got, err
}

// numbered is a part's record with where it stands.
type numbered struct {
	partRecord
	key    string
	number int32
}

// parts gets the parts of an upload in order.
func (s *Service) parts(ctx context.Context, id string) ([]numbered, error) {
	var parts []numbered
	for e, err := range s.cfg.Store.Scan(ctx, partsAt, store.Prefix(id+"/")) {
		if err != nil {
			return nil, err
		}
		rec, err := decode[partRecord](partsAt, e.Key, e.Value)
		if err != nil {
			return nil, err
		}
		n := numbered{partRecord: rec, key: e.Key}
		if _, err := fmt.Sscanf(e.Key[len(id)+1:], "%d", &n.number); err != nil {
			return nil, fmt.Errorf("s3: the key %q in %s is damaged: %w", e.Key, partsAt, err)
		}
		parts = append(parts, n)
	}
	return parts, nil
}

var acceptAbortMultipartUpload = accept[s3.AbortMultipartUploadInput]("Key UploadId")

// AbortMultipartUpload ends an upload and removes its parts.
func (s *Service) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) (*s3.AbortMultipartUploadOutput, error) {
	if err := s.check(acceptAbortMultipartUpload, in); err != nil {
		return nil, err
	}
	bucket, key, id := aws.ToString(in.Bucket), aws.ToString(in.Key), aws.ToString(in.UploadId)
	lock := s.uploadLock(id)
	lock.Lock()
	defer lock.Unlock()
	if _, _, err := s.upload(ctx, bucket, key, id); err != nil {
		return nil, err
	}
	parts, err := s.parts(ctx, id)
	if err != nil {
		return nil, err
	}
	b, garbage := &store.Batch{}, []segment(nil)
	b.Delete(uploadsAt, uploadKey(bucket, key, id))
	for _, p := range parts {
		b.Delete(partsAt, p.key)
		garbage = append(garbage, p.segment)
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return nil, err
	}
	s.blobs.remove(files(garbage))
	return &s3.AbortMultipartUploadOutput{}, nil
}

var acceptCompleteMultipartUpload = accept[s3.CompleteMultipartUploadInput]("Key UploadId MultipartUpload IfMatch IfNoneMatch " +
	"MpuObjectSize ChecksumType ChecksumCRC32 ChecksumCRC32C ChecksumCRC64NVME ChecksumSHA1 ChecksumSHA256 ChecksumSHA512 ChecksumMD5")

// CompleteMultipartUpload makes the parts that the request lists the object, without copying them. Conditions are those
// of PutObject.
//
// https://docs.aws.amazon.com/AmazonS3/latest/API/API_CompleteMultipartUpload.html
func (s *Service) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (*s3.CompleteMultipartUploadOutput, error) {
	if err := s.check(acceptCompleteMultipartUpload, in); err != nil {
		return nil, err
	}
	bucket, key, id := aws.ToString(in.Bucket), aws.ToString(in.Key), aws.ToString(in.UploadId)
	cond := writeCondition{in.IfMatch, in.IfNoneMatch}
	if err := cond.valid(); err != nil {
		return nil, err
	}
	lock := s.uploadLock(id)
	lock.Lock()
	defer lock.Unlock()
	up, raw, err := s.upload(ctx, bucket, key, id)
	if err != nil {
		return nil, err
	}
	have, err := s.parts(ctx, id)
	if err != nil {
		return nil, err
	}
	if in.MultipartUpload == nil || len(in.MultipartUpload.Parts) == 0 {
		return nil, invalidRequest("You must specify at least one part")
	}
	chosen, err := choose(have, in.MultipartUpload.Parts)
	if err != nil {
		return nil, err
	}
	rec, err := up.assemble(chosen)
	if err != nil {
		return nil, err
	}
	rec.Modified = s.now()
	if err := checkWhole(in, rec); err != nil {
		return nil, err
	}
	var garbage []segment
	kept := map[string]bool{}
	for _, seg := range rec.Segments {
		kept[seg.File] = true
	}
	for _, p := range have {
		if !kept[p.File] {
			garbage = append(garbage, p.segment)
		}
	}
	at := uploadKey(bucket, key, id)
	err = s.commit(ctx, bucket, key, rec, cond, func(b *store.Batch) {
		b.ExpectValue(uploadsAt, at, raw)
		b.Delete(uploadsAt, at)
		for _, p := range have {
			b.Delete(partsAt, p.key)
		}
	})
	if err != nil {
		return nil, err
	}
	s.blobs.remove(files(garbage))
	sum := rec.Checksum.members()
	return &s3.CompleteMultipartUploadOutput{
		Bucket: in.Bucket, Key: in.Key, ETag: quoted(rec.ETag), ChecksumType: types.ChecksumType(rec.Checksum.Type),
		Location:      aws.String("http://" + awsproto.CallOf(ctx).Host + "/" + bucket + "/" + url.PathEscape(key)),
		ChecksumCRC32: sum.CRC32, ChecksumCRC32C: sum.CRC32C, ChecksumCRC64NVME: sum.CRC64NVME, ChecksumSHA1: sum.SHA1,
		ChecksumSHA256: sum.SHA256, ChecksumSHA512: sum.SHA512, ChecksumMD5: sum.MD5,
	}, nil
}

// choose finds the parts that a request lists, in its order, and holds them against what it says of each.
func choose(have []numbered, asked []types.CompletedPart) ([]partRecord, error) {
	byNumber := make(map[int32]*numbered, len(have))
	for i := range have {
		byNumber[have[i].number] = &have[i]
	}
	chosen := make([]partRecord, 0, len(asked))
	previous := int32(0)
	for i := range asked {
		a := &asked[i]
		number := aws.ToInt32(a.PartNumber)
		if number <= previous {
			return nil, fault.New("InvalidPartOrder", "The list of parts was not in ascending order. The parts list must be specified in order by part number.")
		}
		previous = number
		p := byNumber[number]
		if p == nil || strings.Trim(aws.ToString(a.ETag), `"`) != p.ETag {
			return nil, invalidPart(number)
		}
		name, value, err := checksums{a.ChecksumCRC32, a.ChecksumCRC32C, a.ChecksumCRC64NVME, a.ChecksumSHA1, a.ChecksumSHA256, a.ChecksumSHA512, a.ChecksumMD5}.given()
		if err != nil {
			return nil, err
		}
		if name != "" && (name != p.Checksum.Algorithm || value != p.Checksum.Value) {
			return nil, invalidPart(number)
		}
		if i < len(asked)-1 && p.Size < minPart {
			return nil, &fault.Error{
				Code: "EntityTooSmall", Message: "Your proposed upload is smaller than the minimum allowed size",
				Members: map[string]any{"ProposedSize": p.Size, "MinSizeAllowed": minPart, "PartNumber": number, "ETag": p.ETag},
			}
		}
		chosen = append(chosen, p.partRecord)
	}
	return chosen, nil
}

// assemble makes the record of the object that the parts are together.
func (up *uploadRecord) assemble(parts []partRecord) (*objectRecord, error) {
	rec := &objectRecord{Parts: int32(len(parts)), headers: up.headers}
	etag := md5.New() //nolint:gosec // the protocol's
	for _, p := range parts {
		rec.Segments = append(rec.Segments, p.segment)
		rec.Size += p.Size
		sum, err := hex.DecodeString(p.ETag)
		if err != nil {
			return nil, fmt.Errorf("s3: damaged ETag of a part: %w", err)
		}
		etag.Write(sum)
	}
	rec.ETag = fmt.Sprintf("%x-%d", etag.Sum(nil), len(parts))
	alg, err := algorithmOf(up.Algorithm)
	if err != nil {
		return nil, err
	}
	rec.Checksum, err = alg.compose(up.Type, parts)
	return rec, err
}

// checkWhole holds the object against what the request says of it.
func checkWhole(in *s3.CompleteMultipartUploadInput, rec *objectRecord) error {
	if in.MpuObjectSize != nil && *in.MpuObjectSize != rec.Size {
		return invalidRequest(fmt.Sprintf("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", *in.MpuObjectSize, rec.Size))
	}
	if in.ChecksumType != "" && string(in.ChecksumType) != rec.Checksum.Type {
		return invalidRequest(fmt.Sprintf("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", rec.Checksum.Type))
	}
	name, value, err := checksums{in.ChecksumCRC32, in.ChecksumCRC32C, in.ChecksumCRC64NVME, in.ChecksumSHA1, in.ChecksumSHA256, in.ChecksumSHA512, in.ChecksumMD5}.given()
	if err != nil || name == "" {
		return err
	}
	if composite, _, _ := strings.Cut(rec.Checksum.Value, "-"); name != rec.Checksum.Algorithm || value != rec.Checksum.Value && value != composite {
		return badDigest(name)
	}
	return nil
}
