package lambda

import (
	"context"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// pageSize is the most that AWS puts into one page, whatever MaxItems says.
const pageSize = 50

// page cuts one page out of sorted items. The marker is the key of the page's first item, made opaque.
func page[T any](items []T, key func(T) string, marker *string, maxItems *int32) ([]T, *string, error) {
	from := 0
	first, err := unmark(marker)
	if err != nil {
		return nil, nil, err
	}
	if first != "" { // or what follows it, when it was deleted meanwhile
		if from = slices.IndexFunc(items, func(t T) bool { return key(t) >= first }); from < 0 {
			from = len(items)
		}
	}
	size := pageSize
	if maxItems != nil && int(*maxItems) < size {
		size = int(*maxItems)
	}
	items = items[from:]
	if len(items) <= size {
		return items, nil, nil
	}
	return items[:size], aws.String(base64.URLEncoding.EncodeToString([]byte(key(items[size])))), nil
}

// unmark reads a marker.
func unmark(marker *string) (string, error) {
	raw, err := base64.URLEncoding.DecodeString(value(marker))
	if err != nil {
		return "", invalid("Invalid value for Marker")
	}
	return string(raw), nil
}

// ListFunctions lists functions by name, with FunctionVersion ALL every version of each.
func (s *Service) ListFunctions(ctx context.Context, in *sdk.ListFunctionsInput) (*sdk.ListFunctionsOutput, error) {
	c := &constraints{}
	c.Enum("functionVersion", string(in.FunctionVersion), "ALL")
	c.integer("maxItems", in.MaxItems, 1, 10000)
	optional(in.MasterRegion, func(v string) { c.pattern("masterRegion", v, masterRegion) })
	if err := c.Err(); err != nil {
		return nil, err
	}
	type entry struct {
		key string
		v   *versionRecord
		q   string
	}
	from, err := unmark(in.Marker)
	if err != nil {
		return nil, err
	}
	first, _, _ := strings.Cut(from, "/")
	functions := s.names.all()
	at, _ := slices.BinarySearch(functions, first)
	if m := value(in.MasterRegion); m != "" && m != "ALL" && m != s.cfg.Region {
		at = len(functions) // a function's master is in another region only for Lambda@Edge
	}
	var all []entry
	for _, name := range functions[at:] {
		if in.FunctionVersion == "" {
			v, err := s.latestOf(ctx, name)
			if err != nil {
				return nil, err
			}
			if v != nil {
				all = append(all, entry{name, v, ""})
			}
		} else {
			vs, err := s.versionsOf(ctx, name)
			if err != nil {
				return nil, err
			}
			for _, v := range vs {
				all = append(all, entry{sortable(name, v.Version), v, v.Version})
			}
		}
		if i := slices.IndexFunc(all, func(e entry) bool { return e.key >= from }); i >= 0 && len(all)-i > pageSize {
			break
		}
	}
	items, next, err := page(all, func(e entry) string { return e.key }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListFunctionsOutput{Functions: []types.FunctionConfiguration{}, NextMarker: next}
	for _, e := range items {
		out.Functions = append(out.Functions, s.summarize(e.v, e.q))
	}
	return out, nil
}

// ListVersionsByFunction lists $LATEST and then the published versions in the order of their numbers.
func (s *Service) ListVersionsByFunction(ctx context.Context, in *sdk.ListVersionsByFunctionInput) (*sdk.ListVersionsByFunctionOutput, error) {
	c := &constraints{}
	c.integer("maxItems", in.MaxItems, 1, 10000)
	r, err := s.parse(longName, in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	n, _, err := s.lookup(ctx, ref{name: r.name})
	if err != nil {
		return nil, err
	}
	all := append([]*version{n.versions[latest]}, n.published()...)
	items, next, err := page(all, func(v *version) string { return sortable("", v.Version) }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListVersionsByFunctionOutput{Versions: []types.FunctionConfiguration{}, NextMarker: next}
	for _, v := range items {
		out.Versions = append(out.Versions, s.summarize(v.versionRecord, v.Version))
	}
	return out, nil
}

// sortable gives a key that sorts $LATEST first and numbers by their value.
func sortable(name, version string) string {
	const zeros = "0000000000000000000"
	if version == latest {
		return name + "/" + version
	}
	return name + "/" + zeros[min(len(version), len(zeros)):] + version
}
