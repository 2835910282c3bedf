package cloudwatch

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/tealdeploy/teal/internal/platform/cloudwatch/metricmath"
)

var queryID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`) // of 255 characters at most

// query is a checked MetricDataQuery.
type query struct {
	param    string // how the request names it
	id       string
	label    string
	labelled bool // the label was given
	returned bool
	metric   *types.MetricStat // nil for an expression
	series   []*series
	period   int64
	stat     statistic
	maths    *metricmath.Expression
}

func (s *Service) readQueries(in []types.MetricDataQuery) ([]query, error) {
	if len(in) == 0 {
		return nil, missing("MetricDataQueries")
	}
	if len(in) > maxQueries {
		return nil, validation("The collection MetricDataQueries must not have a size greater than %d.", maxQueries)
	}
	queries := make([]query, 0, len(in))
	seen := map[string]bool{}
	for i := range in {
		q, err := s.readQuery(&in[i], fmt.Sprintf("MetricDataQueries.member.%d", i+1))
		if err != nil {
			return nil, err
		}
		if seen[q.id] {
			return nil, validation("The values for parameter id in MetricDataQueries are not unique: %s.", q.id)
		}
		seen[q.id] = true
		queries = append(queries, q)
	}
	return queries, checkReferences(queries, seen)
}

// checkReferences refuses expressions over ids that are not there, or over themselves.
func checkReferences(queries []query, known map[string]bool) error {
	reads := map[string][]string{}
	for _, q := range queries {
		if q.maths == nil {
			continue
		}
		reads[q.id] = q.maths.IDs()
		for _, id := range q.maths.IDs() {
			if !known[id] {
				return validation("Error in expression '%s': there is no metric or expression with the id %s.", q.id, id)
			}
		}
	}
	done := map[string]bool{}
	var visit func(id string, path []string) error
	visit = func(id string, path []string) error {
		if slices.Contains(path, id) {
			return validation("Error in expression '%s': it depends on itself.", id)
		}
		if done[id] {
			return nil
		}
		for _, next := range reads[id] {
			if err := visit(next, append(path, id)); err != nil {
				return err
			}
		}
		done[id] = true
		return nil
	}
	for _, q := range queries {
		if err := visit(q.id, nil); err != nil {
			return err
		}
	}
	return nil
}

func (s *Service) readQuery(in *types.MetricDataQuery, param string) (query, error) {
	q := query{
		param: param, id: aws.ToString(in.Id), label: aws.ToString(in.Label), labelled: in.Label != nil,
		returned: in.ReturnData == nil || *in.ReturnData,
	}
	if q.id == "" {
		return q, missing(param + ".Id")
	}
	if len(q.id) > 255 || !queryID.MatchString(q.id) {
		return q, validation("The value %s for parameter %s.Id is not matching the expected pattern: it begins with a lower-case letter and goes on with letters, numbers and underscores.", q.id, param)
	}
	switch {
	case in.Expression != nil && in.MetricStat != nil:
		return q, combination("The parameters %s.Expression and %s.MetricStat are mutually exclusive and you have specified both.", param, param)
	case in.Expression != nil:
		return q, q.readExpression(in, param)
	case in.MetricStat == nil:
		return q, validation("Either %s.MetricStat or %s.Expression must be specified.", param, param)
	case in.AccountId != nil && *in.AccountId != s.cfg.Account:
		return q, validation("The account %s of %s.AccountId is not this one (%s).", *in.AccountId, param, s.cfg.Account)
	}
	if err := checkLabel(q.label, param+".Label"); err != nil {
		return q, err
	}
	return q, s.readMetricStat(&q, in.MetricStat, param+".MetricStat")
}

func (q *query) readExpression(in *types.MetricDataQuery, param string) error {
	text := *in.Expression
	if fields := strings.Fields(text); len(fields) > 0 && strings.EqualFold(fields[0], "SELECT") {
		return validation("The expression %q of %s is not supported by this endpoint: Metrics Insights is not served; query the metrics with MetricStat.", text, param)
	}
	if p := aws.ToInt32(in.Period); in.Period != nil && !periodOK(p) {
		return validation("The value %d for parameter %s.Period is invalid: it must be 1, 5, 10, 20, 30 or a multiple of 60.", p, param)
	}
	if !q.labelled {
		q.label = q.id
	}
	q.period = int64(aws.ToInt32(in.Period))
	var err error
	if q.maths, err = metricmath.Parse(text); err != nil {
		return validation("Error in expression '%s' of %s: %v.", q.id, param, err)
	}
	return checkLabel(q.label, param+".Label")
}

func (s *Service) readMetricStat(q *query, in *types.MetricStat, param string) error {
	if in.Metric == nil {
		return missing(param + ".Metric")
	}
	if err := checkNamespace(in.Metric.Namespace, param+".Metric.Namespace"); err != nil {
		return err
	}
	if err := checkMetricName(in.Metric.MetricName, param+".Metric.MetricName"); err != nil {
		return err
	}
	if err := checkDimensions(in.Metric.Dimensions, param+".Metric.Dimensions"); err != nil {
		return err
	}
	if in.Period == nil {
		return missing(param + ".Period")
	}
	if !periodOK(*in.Period) {
		return validation("The value %d for parameter %s.Period is invalid: it must be 1, 5, 10, 20, 30 or a multiple of 60.", *in.Period, param)
	}
	if err := checkUnit(in.Unit, param+".Unit"); err != nil {
		return err
	}
	name := aws.ToString(in.Stat)
	if name == "" {
		return missing(param + ".Stat")
	}
	stat := parseStatistic(name)
	if stat == nil {
		return validation("The value %s for parameter %s.Stat is not a statistic.", name, param)
	}
	q.period, q.stat, q.metric = int64(*in.Period), stat, in
	if q.label == "" {
		q.label = *in.Metric.MetricName
	}
	return nil
}
