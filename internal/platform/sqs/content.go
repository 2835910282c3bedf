package sqs

import (
	"crypto/md5" //nolint:gosec // it is the checksum of SQS's API
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// maxAttributes is the most attributes of a message.
const maxAttributes = 10

const allowed = "#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF"

// forbidden finds the first character that no message may have: those that XML cannot carry, and what is no UTF-8.
func forbidden(text string) (rune, bool) {
	for i, r := range text {
		switch {
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(text[i:]); n == 1 {
				return rune(text[i]), true
			}
		case r < 0x20 && r != '\t' && r != '\n' && r != '\r', r == 0xFFFE, r == 0xFFFF:
			return r, true
		}
	}
	return 0, false
}

func checkBody(body *string) error {
	if body == nil || *body == "" {
		return missing("MessageBody")
	}
	if r, bad := forbidden(*body); bad {
		return &types.InvalidMessageContents{Message: aws.String(fmt.Sprintf(
			"Invalid binary character '#x%X' was found in the message body, the set of allowed characters is %s", r, allowed))}
	}
	return nil
}

var attributeName = regexp.MustCompile(`\A[A-Za-z0-9_.-]+\z`)

// checkAttributes checks the attributes of a message and returns them as they are kept.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html
func checkAttributes(given map[string]types.MessageAttributeValue) (map[string]attributeRecord, error) {
	if len(given) > maxAttributes {
		return nil, invalidValue("Number of message attributes [%d] exceeds the allowed maximum [%d].", len(given), maxAttributes)
	}
	kept := make(map[string]attributeRecord, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		v := given[name]
		kind := aws.ToString(v.DataType)
		base, _, _ := strings.Cut(kind, ".")
		lower := strings.ToLower(name)
		switch {
		case len(name) > 256 || !attributeName.MatchString(name) || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || strings.Contains(name, ".."):
			return nil, invalidValue("The message attribute name '%s' is invalid. Attribute name can contain A-Z, a-z, 0-9, underscore (_), hyphen (-), and period (.) characters.", name)
		case strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon."):
			return nil, invalidValue("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.")
		case kind == "":
			return nil, invalidValue("The message attribute '%s' must contain non-empty message attribute type.", name)
		case base != "String" && base != "Number" && base != "Binary":
			return nil, invalidValue("The message attribute '%s' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.", name)
		case len(kind) > 256:
			return nil, invalidValue("The type of message attribute '%s' is longer than 256 bytes.", name)
		case len(v.StringListValues) > 0 || len(v.BinaryListValues) > 0:
			return nil, unsupported("Message attribute list values in SendMessage operation are not supported.")
		case base == "Binary" && len(v.BinaryValue) == 0, base != "Binary" && aws.ToString(v.StringValue) == "":
			return nil, invalidValue("The message attribute '%s' must contain non-empty message attribute value for message attribute type '%s'.", name, base)
		}
		if base == "Binary" {
			kept[name] = attributeRecord{Type: kind, Binary: v.BinaryValue}
			continue
		}
		if r, bad := forbidden(*v.StringValue); bad {
			return nil, invalidValue("Invalid binary character '#x%X' was found in the message attribute '%s' value, the set of allowed characters is %s", r, name, allowed)
		}
		if base == "Number" && !decimal.MatchString(*v.StringValue) {
			return nil, invalidValue("Can't cast the value of message (user) attribute '%s' to a number.", name)
		}
		kept[name] = attributeRecord{Type: kind, Text: v.StringValue}
	}
	return kept, nil
}

var decimal = regexp.MustCompile(`\A[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\z`)

// traceOf reads the one system attribute that can be sent.
func traceOf(given map[string]types.MessageSystemAttributeValue) (trace string, err error) {
	for name, v := range given {
		if name != "AWSTraceHeader" {
			return "", invalidValue("Message system attribute name '%s' is invalid.", name)
		}
		if aws.ToString(v.DataType) != "String" || aws.ToString(v.StringValue) == "" {
			return "", invalidValue("The message system attribute 'AWSTraceHeader' must be a non-empty String.")
		}
		trace = *v.StringValue
	}
	return trace, nil
}

// size is what counts for the limits, in bytes.
func size(body string, attributes map[string]attributeRecord) int {
	n := len(body)
	for name, a := range attributes {
		n += len(name) + len(a.Type) + len(aws.ToString(a.Text)) + len(a.Binary)
	}
	return n
}

func sum(body string) string {
	h := md5.Sum([]byte(body)) //nolint:gosec // see the import
	return hex.EncodeToString(h[:])
}

// sumAttributes is the MD5 of attributes, in the form that SQS documents; nil for none.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html#sqs-attributes-md5-message-digest-calculation
func sumAttributes(attributes map[string]attributeRecord) *string {
	if len(attributes) == 0 {
		return nil
	}
	var b []byte
	part := func(s string) {
		b = binary.BigEndian.AppendUint32(b, uint32(len(s))) //nolint:gosec // far below 4 GiB
		b = append(b, s...)
	}
	for _, name := range slices.Sorted(maps.Keys(attributes)) {
		a := attributes[name]
		part(name)
		part(a.Type)
		if a.Text != nil {
			b = append(b, 1)
			part(*a.Text)
		} else {
			b = append(b, 2)
			part(string(a.Binary))
		}
	}
	h := md5.Sum(b) //nolint:gosec // see the import
	return aws.String(hex.EncodeToString(h[:]))
}

// wanted picks the attributes of a message that a receiver names: All, .*, a prefix with .*, or a name.
func wanted(attributes map[string]attributeRecord, names []string) map[string]attributeRecord {
	out := map[string]attributeRecord{}
	for name, a := range attributes {
		if slices.ContainsFunc(names, func(n string) bool {
			prefix, every := strings.CutSuffix(n, ".*")
			return n == "All" || n == name || every && strings.HasPrefix(name, prefix)
		}) {
			out[name] = a
		}
	}
	return out
}

var idPattern = regexp.MustCompile("\\A[A-Za-z0-9!\"#$%&'()*+,./:;<=>?@\\[\\\\\\]^_`{|}~-]+\\z")

// checkID checks a message group or deduplication ID.
func checkID(parameter, id string) error {
	if len(id) > 128 || !idPattern.MatchString(id) {
		return invalidParameter(parameter, id, parameter+" can only include alphanumeric and punctuation characters. 1 to 128 in length.")
	}
	return nil
}

const maxBatch = 10

var entryID = regexp.MustCompile(`\A[A-Za-z0-9_-]+\z`)

// checkBatch checks the IDs of a batch's entries; kind is the entry's type, for messages.
func checkBatch(kind string, ids []*string) error {
	if len(ids) == 0 {
		return &types.EmptyBatchRequest{Message: aws.String("There should be at least one " + kind + " in the request.")}
	}
	if len(ids) > maxBatch {
		return &types.TooManyEntriesInBatchRequest{Message: aws.String(fmt.Sprintf("Maximum number of entries per request are %d. You have sent %d.", maxBatch, len(ids)))}
	}
	seen := map[string]bool{}
	for _, p := range ids {
		id := aws.ToString(p)
		if len(id) > 80 || !entryID.MatchString(id) {
			return &types.InvalidBatchEntryId{Message: aws.String("A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.")}
		}
		if seen[id] {
			return &types.BatchEntryIdsNotDistinct{Message: aws.String("Id " + id + " repeated.")}
		}
		seen[id] = true
	}
	return nil
}

// refused tells of an entry of a batch that has failed. ok is false for an error that is not AWS's: the batch fails then.
func refused(id *string, err error) (_ types.BatchResultErrorEntry, ok bool) {
	api, ok := err.(interface { //nolint:errorlint // these errors are made here, and never wrapped
		error
		ErrorCode() string
		ErrorMessage() string
	})
	if !ok {
		return types.BatchResultErrorEntry{}, false
	}
	code := api.ErrorCode()
	if c, other := entryCodes[code]; other {
		code = c
	}
	return types.BatchResultErrorEntry{Id: id, Code: aws.String(code), Message: aws.String(api.ErrorMessage()), SenderFault: true}, true
}

// entryCodes are the codes that differ in the entries of batches, which have those of the Query protocol.
var entryCodes = map[string]string{
	"MessageNotInflight":   "AWS.SimpleQueueService.MessageNotInflight",
	"UnsupportedOperation": "AWS.SimpleQueueService.UnsupportedOperation",
}
