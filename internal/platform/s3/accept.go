package s3

import (
	"reflect"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/fault"
)

// accepted lists the members of an input that its operation understands. Any other that is set is refused by name: what
// is asked for is done, or said not to be.
type accepted struct{ others []int }

// accept makes the list for an input type.
func accept[I any](members string) accepted {
	t := reflect.TypeFor[I]()
	known := map[string]bool{"ExpectedBucketOwner": true, "RequestPayer": true, "Bucket": true}
	for m := range strings.FieldsSeq(members) {
		if _, ok := t.FieldByName(m); !ok {
			panic("s3: " + t.Name() + " has no member " + m)
		}
		known[m] = true
	}
	var a accepted
	for i := range t.NumField() {
		if f := t.Field(i); f.IsExported() && !known[f.Name] {
			a.others = append(a.others, i)
		}
	}
	return a
}

// check refuses members of *in that are set and not listed, and a bucket owner who is not the account.
func (s *Service) check(a accepted, in any) error {
	v := reflect.ValueOf(in).Elem()
	for _, i := range a.others {
		if f := v.Field(i); !unset(f) {
			return notImplemented(v.Type().Field(i).Name)
		}
	}
	owner := v.FieldByName("ExpectedBucketOwner")
	if owner.IsValid() && !owner.IsNil() && owner.Elem().String() != s.cfg.Account {
		return accessDenied()
	}
	return nil
}

// unset tells whether a member says nothing: false is what every switch of S3 is without being named.
func unset(v reflect.Value) bool {
	if v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Bool {
		return !v.Elem().Bool()
	}
	return v.IsZero() || (v.Kind() == reflect.Slice || v.Kind() == reflect.Map) && v.Len() == 0
}

// checkClass refuses access control lists and storage classes but those that mean what is done anyway.
func checkClass(acl types.ObjectCannedACL, class types.StorageClass) error {
	switch acl {
	case "", types.ObjectCannedACLPrivate, types.ObjectCannedACLBucketOwnerFullControl:
	default:
		return notImplemented("the access control list " + string(acl))
	}
	if class != "" && class != types.StorageClassStandard {
		return notImplemented("the storage class " + string(class))
	}
	return nil
}

// maxMetadata bounds names and values of user metadata together, in bytes.
const maxMetadata = 2 << 10

// userMetadata gives metadata as it is kept: names in lower case.
func userMetadata(given map[string]string) (map[string]string, error) {
	if len(given) == 0 {
		return nil, nil
	}
	kept, size := make(map[string]string, len(given)), 0
	for k, v := range given {
		k = strings.ToLower(k)
		kept[k] = v
		size += len(k) + len(v)
	}
	if size > maxMetadata {
		return nil, &fault.Error{
			Code: "MetadataTooLarge", Message: "Your metadata headers exceed the maximum allowed metadata size",
			Members: map[string]any{"Size": size, "MaxSizeAllowed": maxMetadata},
		}
	}
	return kept, nil
}

// optional is a header's member: nil when it has no value.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return aws.String(s)
}
