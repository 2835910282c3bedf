package lambda

import (
	"context"
	"encoding/base64"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// pageSize is the most that AWS puts into one page, whatever MaxItems says.
const pageSize = 50

// page cuts one page out of sorted items. The marker is the key of the page's first item, made opaque.
func page[T any](items []T, key func(T) string, marker *string, maxItems *int32) ([]T, *string, error) {
	from := 0
	if value(marker) != "" {
		raw, err := base64.URLEncoding.DecodeString(*marker)
		if err != nil {
			return nil, nil, invalid("Invalid value for Marker")
		}
		if from = slices.IndexFunc(items, func(t T) bool { return key(t) == string(raw) }); from < 0 {
			from = len(items) // deleted meanwhile; the list is at its end
			for i, t := range items {
				if key(t) > string(raw) {
					from = i
					break
				}
			}
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

// ListFunctions lists functions by name, with FunctionVersion ALL every version of each.
func (s *Service) ListFunctions(_ context.Context, in *sdk.ListFunctionsInput) (*sdk.ListFunctionsOutput, error) {
	c := &constraints{}
	c.enum("functionVersion", string(in.FunctionVersion), "ALL")
	c.integer("maxItems", in.MaxItems, 1, 10000)
	optional(in.MasterRegion, func(v string) { c.pattern("masterRegion", v, masterRegion) })
	if err := c.err(); err != nil {
		return nil, err
	}
	type entry struct {
		key string
		v   *version
		q   string
	}
	var all []entry
	s.functions.Range(func(_, v any) bool {
		n := v.(*function).state.Load()
		if n == nil {
			return true
		}
		name := n.record.Name
		if in.FunctionVersion == "" {
			all = append(all, entry{name, n.versions[latest], ""})
			return true
		}
		all = append(all, entry{name + "/" + latest, n.versions[latest], latest})
		for _, v := range n.published() {
			all = append(all, entry{sortable(name, v.Version), v, v.Version})
		}
		return true
	})
	if m := value(in.MasterRegion); m != "" && m != "ALL" && m != s.cfg.Region {
		all = nil // a function's master is in another region only for Lambda@Edge
	}
	slices.SortFunc(all, func(a, b entry) int { return compare(a.key, b.key) })
	items, next, err := page(all, func(e entry) string { return e.key }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListFunctionsOutput{Functions: []types.FunctionConfiguration{}, NextMarker: next}
	for _, e := range items {
		out.Functions = append(out.Functions, s.summarize(e.v.versionRecord, e.q))
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

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
