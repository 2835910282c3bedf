package executeapi

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// tagText reports whether s is what AWS takes as a tag's key or value: at least least and at most most characters out of
// [\pL\pZ\pN_.:/=+\-@]. It is no regular expression because compiling that one takes longer than the platform's start.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-tagging-supported-resources.html
func tagText(s string, least, most int) bool {
	n := 0
	for _, r := range s {
		if n++; n > most || r == utf8.RuneError || !unicode.In(r, unicode.L, unicode.Z, unicode.N) && !strings.ContainsRune("_.:/=+-@", r) {
			return false
		}
	}
	return n >= least
}

func CheckTags(tags map[string]string) error {
	for k, v := range tags {
		if !tagText(k, 1, 128) {
			return fmt.Errorf("Invalid tag key: %q", k)
		}
		if !tagText(v, 0, 256) {
			return fmt.Errorf("Invalid value of tag %q: %q", k, v)
		}
	}
	return nil
}
