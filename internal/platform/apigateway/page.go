package apigateway

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// page returns one page of m's values in the order of their keys, and the token of the next page or nil. Without
// maxResults it is all of them.
func page[T any](m map[string]T, maxResults, nextToken *string) ([]T, *string, error) {
	limit := len(m)
	if maxResults != nil {
		n, err := strconv.Atoi(*maxResults)
		if err != nil || n < 1 {
			return nil, nil, badRequest("Invalid value for maxResults: %q is not a positive integer", *maxResults)
		}
		limit = n
	}
	keys := slices.Sorted(maps.Keys(m))
	if nextToken != nil {
		last, err := base64.RawURLEncoding.DecodeString(*nextToken)
		if err != nil {
			return nil, nil, badRequest("Invalid value for nextToken")
		}
		from, found := slices.BinarySearch(keys, string(last))
		if found {
			from++
		}
		keys = keys[from:]
	}
	var next *string
	if len(keys) > limit {
		keys = keys[:limit]
		next = aws.String(base64.RawURLEncoding.EncodeToString([]byte(keys[limit-1])))
	}
	items := make([]T, len(keys))
	for i, k := range keys {
		items[i] = m[k]
	}
	return items, next, nil
}
