package s3

import (
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/tealdeploy/teal/internal/fault"
)

// maxKey is the longest key, in bytes of UTF-8.
const maxKey = 1024

// bucketName is what most of the rules, and a limit of 63 characters, of
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html come to.
var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]+[a-z0-9]$`)

func checkBucketName(name string) error {
	_, isIP := netip.ParseAddr(name)
	bad := len(name) > 63 || !bucketName.MatchString(name) || strings.Contains(name, "..") || isIP == nil
	for _, p := range []string{"xn--", "sthree-", "amzn-s3-demo-"} {
		bad = bad || strings.HasPrefix(name, p)
	}
	for _, x := range []string{"-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3"} {
		bad = bad || strings.HasSuffix(name, x)
	}
	if bad {
		return &fault.Error{Code: "InvalidBucketName", Message: "The specified bucket is not valid.", Members: map[string]any{"BucketName": name}}
	}
	return nil
}

func checkKey(key string) error {
	switch {
	case key == "":
		return invalidArgument("A key must not be empty", "Key", key)
	case len(key) > maxKey:
		return &fault.Error{Code: "KeyTooLongError", Message: "Your key is too long", Members: map[string]any{"Size": len(key), "MaxSizeAllowed": maxKey}}
	case !utf8.ValidString(key) || strings.ContainsRune(key, 0):
		return &fault.Error{Code: "InvalidURI", Message: "Couldn't parse the specified URI: a key must be UTF-8 without NUL"}
	}
	return nil
}

// canonicalID is the canonical user id of an account, 64 hexadecimal digits, the same for the same account.
func canonicalID(account string) string {
	sum := sha256.Sum256([]byte("s3/" + account))
	return hex.EncodeToString(sum[:])
}

// virtualHost reads the bucket out of hosts such as b.s3.localhost, b.s3.eu-west-1.amazonaws.com and, when the request
// is known to be for S3, b.localhost. A host such as s3.localhost is S3's and names no bucket.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/VirtualHosting.html
func virtualHost(host string, signed bool) (bucket string, ok bool) {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		host = host[:i]
	}
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if strings.HasPrefix(host, "s3.") || strings.HasPrefix(host, "s3-") {
		return "", true
	}
	for _, mark := range []string{".s3.", ".s3-"} {
		if i := strings.LastIndex(host, mark); i > 0 {
			return host[:i], true
		}
	}
	if signed {
		if b, found := strings.CutSuffix(host, ".localhost"); found {
			return b, true
		}
	}
	return "", signed
}
