package lambda

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/google/uuid"

	"github.com/tealdeploy/teal/internal/arn"
	"github.com/tealdeploy/teal/internal/store"
)

// mappingRecord is an event source mapping: a queue whose messages a function gets. It is never changed in place.
type mappingRecord struct {
	UUID           string            `json:"uuid"`
	Function       string            `json:"function"`
	Qualifier      string            `json:"qualifier,omitempty"`
	Source         string            `json:"source"` // ARN of the queue
	BatchSize      int32             `json:"batchSize"`
	Window         int32             `json:"window"` // seconds
	Enabled        bool              `json:"enabled"`
	ReportFailures bool              `json:"reportBatchItemFailures,omitempty"`
	Filters        []string          `json:"filters,omitempty"`
	MaxConcurrency *int32            `json:"maxConcurrency,omitempty"`
	Tags           map[string]string `json:"tags,omitempty"`
	Modified       time.Time         `json:"modified"`
}

// mappings holds all event source mappings with their pollers. Whoever changes one holds the lock, the write to the store
// included.
type mappings struct {
	mu  sync.Mutex
	all map[string]*mappingRecord
	run map[string]*poller // of those that are enabled
}

const (
	defaultBatch   = 10
	fifoBatch      = 10
	unwindowed     = 10 // the largest batch without a window
	maxBatch       = 10000
	noMapping      = "The resource you requested does not exist."
	fifoSuffix     = ".fifo"
	minConcurrency = 2
	maxConcurrency = 1000
)

var (
	sourcePattern = newPattern(`arn:(aws[a-zA-Z0-9-]*):([a-zA-Z0-9\-])+:((eusc-)?[a-z]{2}((-gov)|(-iso([a-z]?)))?-[a-z]+-\d{1})?:(\d{12})?:(.*)`)
	uuidPattern   = newPattern(`[a-zA-Z0-9-]+`)
)

// loadMappings reads the mappings and starts the pollers of those that are enabled.
func (s *Service) loadMappings(ctx context.Context) error {
	s.mappings.all, s.mappings.run = map[string]*mappingRecord{}, map[string]*poller{}
	return scan(ctx, s.cfg.Store, mappingBucket, func(id string, m mappingRecord) error {
		s.mappings.all[id] = &m
		if s.cfg.Queues == nil {
			s.cfg.Logger.Warn("lambda: there is no queue service; an event source mapping rests", "uuid", id, "source", m.Source)
			return nil
		}
		s.poll(&m)
		return nil
	})
}

// put stores a mapping and makes its poller follow; the caller holds the lock.
func (s *Service) putMapping(ctx context.Context, m *mappingRecord) error {
	if err := s.storeMapping(ctx, m); err != nil {
		return err
	}
	s.poll(m)
	return nil
}

// storeMapping keeps a mapping and leaves its poller alone; the caller holds the lock.
func (s *Service) storeMapping(ctx context.Context, m *mappingRecord) error {
	b := &store.Batch{}
	if err := put(b, mappingBucket, m.UUID, m); err != nil {
		return err
	}
	if err := s.cfg.Store.Commit(ctx, b); err != nil {
		return err
	}
	s.mappings.all[m.UUID] = m
	return nil
}

// mappingGiven are the members that creation and update share.
type mappingGiven struct {
	batch, window *int32
	filters       *types.FilterCriteria
	responses     []types.FunctionResponseType
	scaling       *types.ScalingConfig
}

func (g *mappingGiven) constrain(c *constraints) {
	c.integer("batchSize", g.batch, 1, maxBatch)
	c.integer("maximumBatchingWindowInSeconds", g.window, 0, 300)
	if len(g.responses) > 1 {
		c.Fail(list(g.responses), "functionResponseTypes", "Member must have length less than or equal to 1")
	}
	if slices.ContainsFunc(g.responses, func(r types.FunctionResponseType) bool { return r != types.FunctionResponseTypeReportBatchItemFailures }) {
		c.Fail(list(g.responses), "functionResponseTypes", "Member must satisfy constraint: [Member must satisfy enum value set: [ReportBatchItemFailures], Member must not be null]")
	}
	if g.scaling != nil {
		c.integer("scalingConfig.maximumConcurrency", g.scaling.MaximumConcurrency, minConcurrency, maxConcurrency)
	}
}

// apply changes m, the caller's own, as was given, and refuses what does not go together.
func (g *mappingGiven) apply(m *mappingRecord) error {
	set(&m.BatchSize, g.batch)
	set(&m.Window, g.window)
	if g.responses != nil {
		m.ReportFailures = len(g.responses) > 0
	}
	if g.scaling != nil {
		m.MaxConcurrency = clonePtr(g.scaling.MaximumConcurrency)
	}
	if g.filters != nil {
		m.Filters = nil
		for _, f := range g.filters.Filters {
			if _, err := parseFilter(value(f.Pattern)); err != nil {
				return invalid("Invalid filter pattern definition.")
			}
			m.Filters = append(m.Filters, value(f.Pattern))
		}
	}
	fifo := strings.HasSuffix(m.Source, fifoSuffix)
	switch {
	case len(m.Filters) > 10:
		return invalid("The number of filters %d exceeds the limit 10.", len(m.Filters))
	case fifo && m.BatchSize > fifoBatch:
		return invalid("Batch size for FIFO queues must be less than or equal to %d.", fifoBatch)
	case fifo && m.Window > 0:
		return invalid("Batching window is not supported for FIFO queues.")
	case m.BatchSize > unwindowed && m.Window == 0:
		return invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than %d", unwindowed)
	}
	return nil
}

// CreateEventSourceMapping lets a function have the messages of a queue. The answer says Creating; polling begins at once.
func (s *Service) CreateEventSourceMapping(ctx context.Context, in *sdk.CreateEventSourceMappingInput) (*sdk.CreateEventSourceMappingOutput, error) {
	g := &mappingGiven{in.BatchSize, in.MaximumBatchingWindowInSeconds, in.FilterCriteria, in.FunctionResponseTypes, in.ScalingConfig}
	c := &constraints{}
	g.constrain(c)
	optional(in.EventSourceArn, func(v string) { c.pattern("eventSourceArn", v, sourcePattern) })
	c.Enum("startingPosition", string(in.StartingPosition), "LATEST", "AT_TIMESTAMP", "TRIM_HORIZON")
	r, err := s.parse(shortName, in.FunctionName, nil, c)
	if err != nil {
		return nil, err
	}
	if in.EventSourceArn == nil && in.SelfManagedEventSource == nil {
		return nil, invalid("Unrecognized event source.")
	}
	if len(in.Tags) > maxTags {
		return nil, tooManyTags()
	}
	if err := s.checkSource(ctx, in); err != nil {
		return nil, err
	}
	t, err := s.place(r)
	if err != nil {
		return nil, invalid("Function does not exist")
	}
	m := &mappingRecord{
		UUID: uuid.NewString(), Function: r.name, Qualifier: r.qualifier, Source: *in.EventSourceArn, BatchSize: defaultBatch,
		Enabled: in.Enabled == nil || *in.Enabled, Tags: maps.Clone(in.Tags), Modified: s.modified(),
	}
	if err := g.apply(m); err != nil {
		return nil, err
	}
	if err := s.checkVisibility(ctx, m.Source, t.route.primary.version.Config.Timeout); err != nil {
		return nil, err
	}
	s.mappings.mu.Lock()
	defer s.mappings.mu.Unlock()
	for _, o := range s.mappings.all {
		if o.Source == m.Source && o.Function == m.Function && o.Qualifier == m.Qualifier {
			return nil, conflict(`The event source arn (" %s ") and function (" %s ") provided mapping already exists. Please update or delete the existing mapping with UUID %s`, m.Source, r.name, o.UUID)
		}
	}
	if err := s.putMapping(ctx, m); err != nil {
		return nil, err
	}
	return (*sdk.CreateEventSourceMappingOutput)(s.mappingOutput(m, "Creating")), nil
}

// checkSource refuses by name every source but a queue of this platform, and what queues do not have.
func (s *Service) checkSource(ctx context.Context, in *sdk.CreateEventSourceMappingInput) error {
	if in.EventSourceArn == nil {
		return unsupported("SelfManagedEventSource", "there is no Kafka")
	}
	a, err := arn.Parse(*in.EventSourceArn)
	if err != nil {
		return invalid("Unrecognized event source.")
	}
	names := map[string]string{"kinesis": "Kinesis", "dynamodb": "DynamoDB", "kafka": "MSK", "mq": "Amazon MQ", "rds": "DocumentDB"}
	switch {
	case a.Service == "kinesis" || a.Service == "dynamodb":
		if in.StartingPosition == "" {
			return invalid("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
		}
		return unsupported("EventSourceArn", "there is no "+names[a.Service]+"; give a queue")
	case names[a.Service] != "":
		return unsupported("EventSourceArn", "there is no "+names[a.Service]+"; give a queue")
	case a.Service != "sqs":
		return invalid("Unrecognized event source, must be kinesis, dynamodb stream or sqs. Unsupported source arn %s", *in.EventSourceArn)
	case s.cfg.Queues == nil:
		return unsupported("EventSourceArn", "there is no SQS here")
	case in.StartingPosition != "":
		return invalid("StartingPosition is not valid for SQS event sources.")
	case in.ParallelizationFactor != nil, in.MaximumRetryAttempts != nil, in.MaximumRecordAgeInSeconds != nil, in.BisectBatchOnFunctionError != nil,
		in.TumblingWindowInSeconds != nil, in.DestinationConfig != nil:
		return invalid("Unsupported parameter for SQS event sources: give it for a stream, or leave it out.")
	case value(in.KMSKeyArn) != "":
		return unsupported("KMSKeyArn", "there is no KMS")
	case in.ProvisionedPollerConfig != nil:
		return unsupported("ProvisionedPollerConfig", "pollers are started on demand")
	}
	if _, err := s.queueURL(ctx, *in.EventSourceArn); err != nil {
		return invalid("Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: The specified queue does not exist.")
	}
	return nil
}

// checkVisibility refuses a queue that would show a message again while the function is still at it.
func (s *Service) checkVisibility(ctx context.Context, source string, timeout int32) error {
	url, err := s.queueURL(ctx, source)
	if err != nil {
		return err
	}
	out, err := s.cfg.Queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: url, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameVisibilityTimeout}})
	if err != nil {
		return err
	}
	visibility, err := strconv.Atoi(out.Attributes[string(sqstypes.QueueAttributeNameVisibilityTimeout)])
	if err == nil && visibility < int(timeout) {
		return invalid("Queue visibility timeout: %d seconds is less than Function timeout: %d seconds", visibility, timeout)
	}
	return nil
}

// mapping checks a UUID and calls do with its mapping, under the lock.
func (s *Service) mapping(id *string, c *constraints, do func(m *mappingRecord) error) error {
	if id == nil {
		c.Null("uUID")
	} else {
		c.pattern("uUID", *id, uuidPattern)
	}
	if err := c.Err(); err != nil {
		return err
	}
	s.mappings.mu.Lock()
	defer s.mappings.mu.Unlock()
	m := s.mappings.all[*id]
	if m == nil {
		return notFound("%s", noMapping)
	}
	return do(m)
}

// GetEventSourceMapping answers with a mapping.
func (s *Service) GetEventSourceMapping(_ context.Context, in *sdk.GetEventSourceMappingInput) (out *sdk.GetEventSourceMappingOutput, err error) {
	err = s.mapping(in.UUID, &constraints{}, func(m *mappingRecord) error {
		out = s.mappingOutput(m, "")
		return nil
	})
	return out, err
}

// UpdateEventSourceMapping changes what is given of a mapping. The answer says Updating, Enabling or Disabling.
func (s *Service) UpdateEventSourceMapping(ctx context.Context, in *sdk.UpdateEventSourceMappingInput) (out *sdk.UpdateEventSourceMappingOutput, err error) {
	g := &mappingGiven{in.BatchSize, in.MaximumBatchingWindowInSeconds, in.FilterCriteria, in.FunctionResponseTypes, in.ScalingConfig}
	c := &constraints{}
	g.constrain(c)
	var r ref
	if in.FunctionName != nil {
		if r, err = s.parse(shortName, in.FunctionName, nil, c); err != nil {
			return nil, err
		}
	}
	err = s.mapping(in.UUID, c, func(old *mappingRecord) error {
		m := *old
		if in.FunctionName != nil {
			if _, err := s.place(r); err != nil {
				return invalid("Function does not exist")
			}
			m.Function, m.Qualifier = r.name, r.qualifier
		}
		if err := g.apply(&m); err != nil {
			return err
		}
		state := "Updating"
		if in.Enabled != nil && *in.Enabled != m.Enabled {
			m.Enabled = *in.Enabled
			state = map[bool]string{true: "Enabling", false: "Disabling"}[m.Enabled]
		}
		m.Modified = s.modified()
		if err := s.putMapping(ctx, &m); err != nil {
			return err
		}
		out = (*sdk.UpdateEventSourceMappingOutput)(s.mappingOutput(&m, state))
		return nil
	})
	return out, err
}

// DeleteEventSourceMapping ends a mapping. A batch that the function has goes on; the answer says Deleting.
func (s *Service) DeleteEventSourceMapping(ctx context.Context, in *sdk.DeleteEventSourceMappingInput) (out *sdk.DeleteEventSourceMappingOutput, err error) {
	err = s.mapping(in.UUID, &constraints{}, func(m *mappingRecord) error {
		b := &store.Batch{}
		b.Delete(mappingBucket, m.UUID)
		if err := s.cfg.Store.Commit(ctx, b); err != nil {
			return err
		}
		delete(s.mappings.all, m.UUID)
		s.unpoll(m.UUID)
		out = (*sdk.DeleteEventSourceMappingOutput)(s.mappingOutput(m, "Deleting"))
		return nil
	})
	return out, err
}

// ListEventSourceMappings lists the mappings of a function or of a queue, or all.
func (s *Service) ListEventSourceMappings(_ context.Context, in *sdk.ListEventSourceMappingsInput) (*sdk.ListEventSourceMappingsOutput, error) {
	c := &constraints{}
	c.integer("maxItems", in.MaxItems, 1, 10000)
	optional(in.EventSourceArn, func(v string) { c.pattern("eventSourceArn", v, sourcePattern) })
	var r ref
	var err error
	if in.FunctionName == nil {
		err = c.Err()
	} else {
		r, err = s.parse(shortName, in.FunctionName, nil, c)
	}
	if err != nil {
		return nil, err
	}
	s.mappings.mu.Lock()
	defer s.mappings.mu.Unlock()
	var ids []string
	for _, id := range slices.Sorted(maps.Keys(s.mappings.all)) {
		m := s.mappings.all[id]
		if (in.EventSourceArn == nil || m.Source == *in.EventSourceArn) && (in.FunctionName == nil || m.Function == r.name && m.Qualifier == r.qualifier) {
			ids = append(ids, id)
		}
	}
	ids, next, err := page(ids, func(id string) string { return id }, in.Marker, in.MaxItems)
	if err != nil {
		return nil, err
	}
	out := &sdk.ListEventSourceMappingsOutput{EventSourceMappings: []types.EventSourceMappingConfiguration{}, NextMarker: next}
	for _, id := range ids {
		out.EventSourceMappings = append(out.EventSourceMappings, s.describeMapping(s.mappings.all[id], ""))
	}
	return out, nil
}

// describeMapping shows a mapping, in a state of transition where one is given; the caller holds the lock.
func (s *Service) describeMapping(m *mappingRecord, state string) types.EventSourceMappingConfiguration {
	if state == "" {
		state = map[bool]string{true: "Enabled", false: "Disabled"}[m.Enabled]
	}
	d := types.EventSourceMappingConfiguration{
		UUID: aws.String(m.UUID), EventSourceMappingArn: aws.String(s.mappingARN(m.UUID)), EventSourceArn: aws.String(m.Source),
		FunctionArn: aws.String(s.arn(m.Function, m.Qualifier)), BatchSize: aws.Int32(m.BatchSize), MaximumBatchingWindowInSeconds: aws.Int32(m.Window),
		FunctionResponseTypes: []types.FunctionResponseType{}, LastModified: aws.Time(m.Modified),
		State: aws.String(state), StateTransitionReason: aws.String("USER_INITIATED"),
	}
	if m.ReportFailures {
		d.FunctionResponseTypes = append(d.FunctionResponseTypes, types.FunctionResponseTypeReportBatchItemFailures)
	}
	if len(m.Filters) > 0 {
		d.FilterCriteria = &types.FilterCriteria{}
		for _, f := range m.Filters {
			d.FilterCriteria.Filters = append(d.FilterCriteria.Filters, types.Filter{Pattern: aws.String(f)})
		}
	}
	if m.MaxConcurrency != nil {
		d.ScalingConfig = &types.ScalingConfig{MaximumConcurrency: clonePtr(m.MaxConcurrency)}
	}
	return d
}

func (s *Service) mappingOutput(m *mappingRecord, state string) *sdk.GetEventSourceMappingOutput {
	d := s.describeMapping(m, state)
	return &sdk.GetEventSourceMappingOutput{
		UUID: d.UUID, EventSourceMappingArn: d.EventSourceMappingArn, EventSourceArn: d.EventSourceArn, FunctionArn: d.FunctionArn, BatchSize: d.BatchSize,
		MaximumBatchingWindowInSeconds: d.MaximumBatchingWindowInSeconds, FunctionResponseTypes: d.FunctionResponseTypes, LastModified: d.LastModified,
		State: d.State, StateTransitionReason: d.StateTransitionReason, FilterCriteria: d.FilterCriteria, ScalingConfig: d.ScalingConfig,
	}
}

func (s *Service) mappingARN(id string) string {
	return "arn:aws:lambda:" + s.cfg.Region + ":" + s.cfg.Account + ":event-source-mapping:" + id
}
