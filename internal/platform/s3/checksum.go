package s3

import (
	"crypto/md5"  //nolint:gosec // the protocol's
	"crypto/sha1" //nolint:gosec // the protocol's
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"math/bits"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/tealdeploy/teal/internal/fault"
)

// checksum is what is known of an object's content besides its ETag.
type checksum struct {
	Algorithm string `json:"a"`           // CRC64NVME
	Value     string `json:"v"`           // base64; composite values end in a dash and the number of parts
	Type      string `json:"t,omitempty"` // COMPOSITE or FULL_OBJECT
}

// algorithm is one of S3's checksums.
//
// https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity-upload.html
type algorithm struct {
	name      string
	new       func() hash.Hash
	poly      uint64 // of a CRC, reflected; 0 for digests
	width     int    // of a CRC, in bits
	composite bool   // a multipart object may have the checksum of its parts' checksums
}

var crc64nvme = crc64.MakeTable(nvmePoly)

// nvmePoly is the reflected polynomial of CRC-64/NVME.
const nvmePoly = 0x9a6c9329ac4bc9b5

var algorithms = []*algorithm{
	{name: "CRC64NVME", new: func() hash.Hash { return crc64.New(crc64nvme) }, poly: nvmePoly, width: 64},
	{name: "CRC32", new: func() hash.Hash { return crc32.NewIEEE() }, poly: crc32.IEEE, width: 32, composite: true},
	{name: "CRC32C", new: func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) }, poly: crc32.Castagnoli, width: 32, composite: true},
	{name: "SHA1", new: sha1.New, composite: true},
	{name: "SHA256", new: sha256.New, composite: true},
	{name: "SHA512", new: sha512.New, composite: true},
	{name: "MD5", new: md5.New, composite: true},
}

// defaultAlgorithm is what S3 takes where the client names none.
const defaultAlgorithm = "CRC64NVME"

func algorithmOf(name string) (*algorithm, error) {
	for _, a := range algorithms {
		if a.name == name {
			return a, nil
		}
	}
	for _, known := range types.ChecksumAlgorithm("").Values() {
		if string(known) == name {
			return nil, notImplemented("the checksum algorithm " + name)
		}
	}
	return nil, invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [CRC32, CRC32C, CRC64NVME, SHA1, SHA256]")
}

// checksums are the members of that name that the SDK's types have one of each.
type checksums struct {
	CRC32, CRC32C, CRC64NVME, SHA1, SHA256, SHA512, MD5 *string
}

// given returns the one checksum that a request has; name is "" when there is none.
func (c checksums) given() (name, value string, err error) {
	for _, x := range []struct {
		name  string
		value *string
	}{{"CRC32", c.CRC32}, {"CRC32C", c.CRC32C}, {"CRC64NVME", c.CRC64NVME}, {"SHA1", c.SHA1}, {"SHA256", c.SHA256}, {"SHA512", c.SHA512}, {"MD5", c.MD5}} {
		if x.value == nil || *x.value == "" {
			continue
		}
		if name != "" {
			return "", "", invalidRequest("Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.")
		}
		name, value = x.name, *x.value
	}
	return name, value, nil
}

// members spreads a checksum over the SDK's members.
func (c checksum) members() (m checksums) {
	v := &c.Value
	switch c.Algorithm {
	case "CRC32":
		m.CRC32 = v
	case "CRC32C":
		m.CRC32C = v
	case "CRC64NVME":
		m.CRC64NVME = v
	case "SHA1":
		m.SHA1 = v
	case "SHA256":
		m.SHA256 = v
	case "SHA512":
		m.SHA512 = v
	case "MD5":
		m.MD5 = v
	}
	return m
}

const trailerPrefix = "x-amz-checksum-"

// trailerAlgorithm finds the algorithm of a checksum that comes after the body.
func trailerAlgorithm(names []string) string {
	for _, n := range names {
		if a, ok := strings.CutPrefix(n, trailerPrefix); ok {
			return strings.ToUpper(a)
		}
	}
	return ""
}

func badDigest(algorithm string) error {
	return fault.New("BadDigest", fmt.Sprintf("The %s you specified did not match the calculated checksum.", algorithm))
}

// checkValue refuses a checksum that cannot be one of the algorithm.
func (a *algorithm) checkValue(value string) error {
	b, err := base64.StdEncoding.DecodeString(value)
	if err != nil || len(b) != a.new().Size() {
		return invalidRequest("Value for " + trailerPrefix + strings.ToLower(a.name) + " header is invalid.")
	}
	return nil
}

// compose makes the checksum of a multipart object from its parts'.
func (a *algorithm) compose(kind string, parts []partRecord) (checksum, error) {
	sum := checksum{Algorithm: a.name, Type: kind}
	if kind == string(types.ChecksumTypeComposite) {
		h := a.new()
		for _, p := range parts {
			b, err := base64.StdEncoding.DecodeString(p.Checksum.Value)
			if err != nil {
				return sum, fmt.Errorf("s3: damaged checksum of a part: %w", err)
			}
			h.Write(b)
		}
		sum.Value = fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), len(parts))
		return sum, nil
	}
	var crc uint64
	for i, p := range parts {
		b, err := base64.StdEncoding.DecodeString(p.Checksum.Value)
		if err != nil || len(b)*8 != a.width {
			return sum, fmt.Errorf("s3: damaged checksum of a part: %q", p.Checksum.Value)
		}
		next := binary.BigEndian.Uint64(append(make([]byte, 8-len(b)), b...))
		if i == 0 {
			crc = next
			continue
		}
		crc = combineCRC(a.poly, a.width, crc, next, p.Size)
	}
	b := binary.BigEndian.AppendUint64(nil, crc)
	sum.Value = base64.StdEncoding.EncodeToString(b[8-a.width/8:])
	return sum, nil
}

// combineCRC gives the CRC of two contents one after the other from theirs and the second's length in bytes: the first
// is multiplied by x to the power of the second's bits, modulo the polynomial. Numbers are reflected: the highest bit
// of the width stands for x^0.
func combineCRC(poly uint64, width int, first, second uint64, length int64) uint64 {
	one := uint64(1) << (width - 1)
	power, square := one, one>>1 // x^0 and x^1
	for n := uint64(length) * 8; n > 0; n >>= 1 {
		if n&1 != 0 {
			power = multiply(poly, width, power, square)
		}
		square = multiply(poly, width, square, square)
	}
	return multiply(poly, width, first, power) ^ second
}

// multiply multiplies two reflected polynomials over GF(2), modulo poly.
func multiply(poly uint64, width int, a, b uint64) (product uint64) {
	for a != 0 {
		top := uint64(1) << (width - 1)
		if a&top != 0 {
			product ^= b
			if bits.OnesCount64(a) == 1 {
				break
			}
		}
		a = a << 1 & (top | (top - 1))
		carry := b & 1
		b >>= 1
		if carry != 0 {
			b ^= poly
		}
	}
	return product
}
