package sqs

import (
	"context"
	"encoding/base64"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// GetQueueUrl gives the address of a queue.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_GetQueueUrl.html
func (s *Service) GetQueueUrl(ctx context.Context, in *sqs.GetQueueUrlInput) (*sqs.GetQueueUrlOutput, error) {
	if aws.ToString(in.QueueName) == "" {
		return nil, missing("QueueName")
	}
	account := s.cfg.Account
	if in.QueueOwnerAWSAccountId != nil {
		account = *in.QueueOwnerAWSAccountId
	}
	if _, err := s.named(account, *in.QueueName); err != nil {
		return nil, err
	}
	return &sqs.GetQueueUrlOutput{QueueUrl: s.url(ctx, *in.QueueName)}, nil
}

// ListQueues lists the addresses of queues by name.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListQueues.html
func (s *Service) ListQueues(ctx context.Context, in *sqs.ListQueuesInput) (*sqs.ListQueuesOutput, error) {
	prefix := aws.ToString(in.QueueNamePrefix)
	urls, next, err := s.page(ctx, in.MaxResults, in.NextToken, func(q *queue) bool { return strings.HasPrefix(q.record().Name, prefix) })
	return &sqs.ListQueuesOutput{QueueUrls: urls, NextToken: next}, err
}

// ListDeadLetterSourceQueues lists the queues whose dead-letter queue this is.
//
// https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ListDeadLetterSourceQueues.html
func (s *Service) ListDeadLetterSourceQueues(ctx context.Context, in *sqs.ListDeadLetterSourceQueuesInput) (*sqs.ListDeadLetterSourceQueuesOutput, error) {
	of, err := s.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	target := s.arn(of.record().Name)
	urls, next, err := s.page(ctx, in.MaxResults, in.NextToken, func(q *queue) bool {
		r := q.record().redrive
		return r != nil && r.Target == target
	})
	if urls == nil {
		urls = []string{}
	}
	return &sqs.ListDeadLetterSourceQueuesOutput{QueueUrls: urls, NextToken: next}, err
}

// page lists a page of queues. As on AWS there are further pages only for those who say how large one is.
func (s *Service) page(ctx context.Context, size *int32, token *string, has func(*queue) bool) (urls []string, next *string, err error) {
	if size != nil && (*size < 1 || *size > 1000) {
		return nil, nil, invalidParameter("MaxResults", *size, "MaxResults must be an integer between 1 and 1000.")
	}
	after, err := base64.RawURLEncoding.DecodeString(aws.ToString(token))
	if err != nil {
		return nil, nil, invalidValue("Invalid or expired next token.")
	}
	if err := s.load(); err != nil {
		return nil, nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	last := ""
	for _, name := range slices.Sorted(maps.Keys(s.queues)) {
		if name <= string(after) || !has(s.queues[name]) {
			continue
		}
		if size != nil && len(urls) == int(*size) {
			next = aws.String(base64.RawURLEncoding.EncodeToString([]byte(last)))
			break
		}
		if len(urls) == 1000 {
			break
		}
		urls, last = append(urls, *s.url(ctx, name)), name
	}
	return urls, next, nil
}
