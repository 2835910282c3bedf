package states

import (
	"encoding/base64"
	"strings"
)

// A page token is the position after which a list goes on. It is bound to its list, and opaque to the caller.

func pageToken(list, position string) *string {
	t := base64.RawURLEncoding.EncodeToString([]byte(list + "\n" + position))
	return &t
}

// position reads a token of the same list; "" for no token.
func position(list string, token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil {
		return "", invalidToken()
	}
	of, at, ok := strings.Cut(string(b), "\n")
	if !ok || of != list || at == "" {
		return "", invalidToken()
	}
	return at, nil
}

// pageSize gives AWS's default for a maxResults of 0.
func pageSize(n int32) int {
	if n == 0 {
		return 100
	}
	return int(n)
}
