package sqs

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"github.com/tealdeploy/teal/internal/arn"
)

const (
	fifoSuffix = ".fifo"
	maxSize    = 1 << 20 // bytes of a message, and of all messages of a batch
	maxPolicy  = 8 << 10 // bytes
)

// settings are a queue's attributes as they are used; durations are in milliseconds.
type settings struct {
	delay, wait, visibility, retention int64
	maxSize                            int
	contentDedup, dedupByGroup         bool
	redrive                            *redrivePolicy
	allow                              *allowPolicy
}

// number is an attribute that is a whole number.
type number struct{ low, high, initial int64 }

// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
var numbers = map[string]number{
	"DelaySeconds":                  {0, 900, 0},
	"MaximumMessageSize":            {1024, maxSize, maxSize},
	"MessageRetentionPeriod":        {60, 1209600, 345600},
	"ReceiveMessageWaitTimeSeconds": {0, 20, 0},
	"VisibilityTimeout":             {0, 43200, 30},
}

// choices are the attributes of FIFO queues that are one of some words, the first by default.
var choices = map[string][]string{
	"ContentBasedDeduplication": {"false", "true"},
	"DeduplicationScope":        {"queue", "messageGroup"},
	"FifoThroughputLimit":       {"perQueue", "perMessageGroupId"},
}

type redrivePolicy struct {
	Target string `json:"deadLetterTargetArn"`
	Max    int    `json:"maxReceiveCount"`
}

// allowPolicy says which queues may name this one as their dead-letter queue.
type allowPolicy struct {
	Permission string   `json:"redrivePermission"`
	Sources    []string `json:"sourceQueueArns,omitempty"`
}

// parseSettings reads attributes that cleanAttributes has passed.
func parseSettings(attributes map[string]string) (settings, error) {
	n := func(name string) int64 {
		if v, err := strconv.ParseInt(attributes[name], 10, 64); err == nil {
			return v
		}
		return numbers[name].initial
	}
	s := settings{
		delay: 1000 * n("DelaySeconds"), wait: 1000 * n("ReceiveMessageWaitTimeSeconds"), visibility: 1000 * n("VisibilityTimeout"),
		retention: 1000 * n("MessageRetentionPeriod"), maxSize: int(n("MaximumMessageSize")),
		contentDedup: attributes["ContentBasedDeduplication"] == "true", dedupByGroup: attributes["DeduplicationScope"] == "messageGroup",
	}
	if text := attributes["RedrivePolicy"]; text != "" {
		if err := json.Unmarshal([]byte(text), &s.redrive); err != nil {
			return s, fmt.Errorf("redrive policy: %w", err)
		}
	}
	if text := attributes["RedriveAllowPolicy"]; text != "" {
		if err := json.Unmarshal([]byte(text), &s.allow); err != nil {
			return s, fmt.Errorf("redrive allow policy: %w", err)
		}
	}
	return s, nil
}

// cleanAttributes checks attributes that a caller gives for the queue of this name, and returns them as they are kept.
// An empty value takes a policy away. s.lists is held.
func (s *Service) cleanAttributes(name string, given map[string]string, create bool) (map[string]string, error) {
	fifo := strings.HasSuffix(name, fifoSuffix)
	clean := map[string]string{}
	for attribute, value := range given {
		var err error
		n, isNumber := numbers[attribute]
		words := choices[attribute]
		switch {
		case isNumber:
			if v, e := strconv.ParseInt(value, 10, 64); e != nil || v < n.low || v > n.high {
				err = invalidAttribute(attribute)
			}
		case words != nil && fifo:
			if !slices.Contains(words, value) {
				err = invalidAttribute(attribute)
			}
		case attribute == "FifoQueue" && fifo && create:
			if value != "true" {
				err = invalidAttribute(attribute)
			}
		case attribute == "Policy":
			err = checkPolicy(value)
		case attribute == "RedrivePolicy":
			value, err = s.cleanRedrive(name, value)
		case attribute == "RedriveAllowPolicy":
			value, err = cleanAllow(value)
		case attribute == "SqsManagedSseEnabled":
			if value != "false" {
				err = unsupported("SqsManagedSseEnabled is not supported by this endpoint: messages are not encrypted. Leave it out, or give false.")
			}
		case attribute == "KmsMasterKeyId" && value == "":
		case attribute == "KmsMasterKeyId", attribute == "KmsDataKeyReusePeriodSeconds":
			err = unsupported("%s is not supported by this endpoint: messages are not encrypted. Leave it out.", attribute)
		default:
			err = unknownAttribute(attribute)
		}
		if err != nil {
			return nil, err
		}
		clean[attribute] = value
	}
	return clean, nil
}

func unknownAttribute(name string) error {
	return &types.InvalidAttributeName{Message: aws.String("Unknown Attribute " + name + ".")}
}

// checkPolicy checks the form of a resource policy. Nothing is denied by it.
func checkPolicy(text string) error {
	if text != "" && (len(text) > maxPolicy || !json.Valid([]byte(text)) || text[0] != '{') {
		return invalidAttribute("Policy")
	}
	return nil
}

// cleanRedrive checks a redrive policy, whose number may be a string.
func (s *Service) cleanRedrive(name, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	refuse := func(reason string) error { return invalidParameter("RedrivePolicy", text, reason) }
	var p struct {
		Target string          `json:"deadLetterTargetArn"`
		Max    json.RawMessage `json:"maxReceiveCount"`
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return "", refuse("Redrive policy is not a valid JSON map.")
	}
	if len(p.Max) == 0 {
		return "", refuse("Redrive policy does not contain mandatory attribute: maxReceiveCount.")
	}
	if p.Target == "" {
		return "", refuse("Redrive policy does not contain mandatory attribute: deadLetterTargetArn.")
	}
	count := strings.Trim(string(p.Max), `"`)
	most, err := strconv.Atoi(count)
	if err != nil || most < 1 || most > 1000 {
		return "", refuse("Invalid value for maxReceiveCount: " + count + ", valid values are from 1 to 1000 both inclusive.")
	}
	target := s.byARN(p.Target)
	if target == nil {
		return "", refuse("Dead letter target does not exist.")
	}
	if target.fifo != strings.HasSuffix(name, fifoSuffix) {
		return "", refuse("Dead-letter queue must be same type of queue as the source.")
	}
	if a := target.record().allow; a != nil && (a.Permission == "denyAll" || a.Permission == "byQueue" && !slices.Contains(a.Sources, s.arn(name))) {
		return "", refuse("Dead letter target's RedriveAllowPolicy does not permit this queue.")
	}
	return string(encode(redrivePolicy{p.Target, most})), nil
}

func cleanAllow(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var p allowPolicy
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return "", invalidParameter("RedriveAllowPolicy", text, "Amazon SQS can't create the redrive allow policy, as it is not in the supported format.")
	}
	byQueue := p.Permission == "byQueue"
	if !slices.Contains([]string{"allowAll", "denyAll", "byQueue"}, p.Permission) || byQueue != (len(p.Sources) > 0) || len(p.Sources) > 10 {
		return "", invalidParameter("RedriveAllowPolicy", text, "Amazon SQS can't create the redrive allow policy, as it is not in the supported format.")
	}
	return string(encode(p)), nil
}

// byARN finds a queue of this account and region; nil when there is none.
func (s *Service) byARN(text string) *queue {
	a, err := arn.Parse(text)
	if err != nil || a.Service != "sqs" || a.Region != s.cfg.Region || a.Account != s.cfg.Account {
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.queues[a.Resource]
}

var namePattern = regexp.MustCompile(`\A[A-Za-z0-9_-]+\z`)

// checkName refuses what cannot be a queue's name.
func checkName(name string, fifo bool) error {
	if fifo {
		if stem, ok := strings.CutSuffix(name, fifoSuffix); !ok || len(name) > 80 || !namePattern.MatchString(stem) {
			return invalidValue("The name of a FIFO queue can only include alphanumeric characters, hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
		}
		return nil
	}
	if len(name) > 80 || !namePattern.MatchString(name) {
		return invalidValue("Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}
