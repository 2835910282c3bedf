package sqs

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// attribute is the value of an attribute that can be set; "" for one that the queue does not have.
func (q *queue) attribute(name string) string {
	if v, ok := q.record().Attributes[name]; ok {
		return v
	}
	if n, ok := numbers[name]; ok {
		return strconv.FormatInt(n.initial, 10)
	}
	if words := choices[name]; words != nil && q.fifo {
		return words[0]
	}
	if name == "SqsManagedSseEnabled" {
		return "false"
	}
	return ""
}

// counts are how many messages of a queue are in which state.
type counts struct {
	visible, hidden, delayed int64
	oldest                   int64 // when the oldest was sent; 0 for none
}

// count is exact where AWS's is approximate. q.mu is held.
func (q *queue) count(now int64) (c counts) {
	q.order.each(func(m *message) bool {
		switch {
		case m.leaving:
			return true
		case m.Due <= now:
			c.visible++
		case m.Receives > 0:
			c.hidden++
		default:
			c.delayed++
		}
		if c.oldest == 0 || m.Sent < c.oldest {
			c.oldest = m.Sent
		}
		return true
	})
	return c
}

// GetQueueAttributes gives the attributes that are asked for, and none when none are.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueAttributes.html
func (s *Service) GetQueueAttributes(_ context.Context, in *sqs.GetQueueAttributesInput) (*sqs.GetQueueAttributesOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	for _, n := range in.AttributeNames {
		if !slices.Contains(n.Values(), n) {
			return nil, unknownAttribute(string(n))
		}
	}
	if len(in.AttributeNames) == 0 {
		return &sqs.GetQueueAttributesOutput{}, nil
	}
	now := s.now()
	q.mu.Lock()
	c := q.count(now)
	q.mu.Unlock()
	r := q.record()
	values := map[string]string{
		"QueueArn":                              s.arn(r.Name),
		"CreatedTimestamp":                      strconv.FormatInt(r.Created/1000, 10),
		"LastModifiedTimestamp":                 strconv.FormatInt(r.Modified/1000, 10),
		"ApproximateNumberOfMessages":           strconv.FormatInt(c.visible, 10),
		"ApproximateNumberOfMessagesNotVisible": strconv.FormatInt(c.hidden, 10),
		"ApproximateNumberOfMessagesDelayed":    strconv.FormatInt(c.delayed, 10),
	}
	all := slices.Contains(in.AttributeNames, types.QueueAttributeNameAll)
	out := map[string]string{}
	for _, n := range types.QueueAttributeNameAll.Values() {
		if n == types.QueueAttributeNameAll || !all && !slices.Contains(in.AttributeNames, n) {
			continue
		}
		v := values[string(n)]
		if v == "" {
			v = q.attribute(string(n))
		}
		if v != "" {
			out[string(n)] = v
		}
	}
	return &sqs.GetQueueAttributesOutput{Attributes: out}, nil
}

// SetQueueAttributes changes attributes. It holds for what is received and sent from now on.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
func (s *Service) SetQueueAttributes(ctx context.Context, in *sqs.SetQueueAttributesInput) (*sqs.SetQueueAttributesOutput, error) {
	return &sqs.SetQueueAttributesOutput{}, s.change(ctx, in.QueueUrl, func(_ *queue, r *queueRecord) error {
		if len(in.Attributes) == 0 {
			return missing("Attribute.Name")
		}
		attributes, err := s.cleanAttributes(r.Name, in.Attributes, false)
		if err != nil {
			return err
		}
		maps.Copy(r.Attributes, attributes)
		r.Modified = s.now()
		return nil
	})
}

// maxTags is the most tags of a queue.
const maxTags = 50

func checkTags(name string, have, add map[string]string) error {
	for k, v := range add {
		if k == "" || len([]rune(k)) > 128 || len([]rune(v)) > 256 {
			return invalidValue("The tag %q is not valid: a key has 1 to 128 characters, a value 256 at most.", k)
		}
	}
	all := maps.Clone(add)
	for k := range have {
		if all == nil {
			break
		}
		all[k] = ""
	}
	if len(all) > maxTags {
		return invalidValue("Too many tags added for queue %s.", name)
	}
	return nil
}

// TagQueue adds tags to a queue.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_TagQueue.html
func (s *Service) TagQueue(ctx context.Context, in *sqs.TagQueueInput) (*sqs.TagQueueOutput, error) {
	return &sqs.TagQueueOutput{}, s.change(ctx, in.QueueUrl, func(_ *queue, r *queueRecord) error {
		if len(in.Tags) == 0 {
			return missing("Tags")
		}
		if err := checkTags(r.Name, r.Tags, in.Tags); err != nil {
			return err
		}
		maps.Copy(r.Tags, in.Tags)
		return nil
	})
}

// UntagQueue takes tags off a queue.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_UntagQueue.html
func (s *Service) UntagQueue(ctx context.Context, in *sqs.UntagQueueInput) (*sqs.UntagQueueOutput, error) {
	return &sqs.UntagQueueOutput{}, s.change(ctx, in.QueueUrl, func(_ *queue, r *queueRecord) error {
		if len(in.TagKeys) == 0 {
			return missing("TagKeys")
		}
		for _, k := range in.TagKeys {
			delete(r.Tags, k)
		}
		return nil
	})
}

// ListQueueTags gives the tags of a queue.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueueTags.html
func (s *Service) ListQueueTags(_ context.Context, in *sqs.ListQueueTagsInput) (*sqs.ListQueueTagsOutput, error) {
	q, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	out := &sqs.ListQueueTagsOutput{Tags: q.record().clone().Tags}
	if len(out.Tags) == 0 {
		out.Tags = nil
	}
	return out, nil
}
