package executeapi

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// Page returns one page of m's values in the order of their keys, and the token of the next page or nil. Without
// maxResults it is all of them. The names are those of the request's members, for messages; its errors are the client's.
func Page[T any](m map[string]T, sizeName, tokenName string, maxResults, nextToken *string) ([]T, *string, error) {
	limit := len(m)
	if maxResults != nil {
		n, err := strconv.Atoi(*maxResults)
		if err != nil || n < 1 {
			return nil, nil, fmt.Errorf("Invalid value for %s: %q is not a positive integer", sizeName, *maxResults)
		}
		limit = n
	}
	keys := slices.Sorted(maps.Keys(m))
	if nextToken != nil {
		last, err := base64.RawURLEncoding.DecodeString(*nextToken)
		if err != nil {
			return nil, nil, fmt.Errorf("Invalid value for %s", tokenName)
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
