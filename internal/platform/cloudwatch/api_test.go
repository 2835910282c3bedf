package cloudwatch

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awscw "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go"
)

func dims(pairs ...string) []types.Dimension {
	var d []types.Dimension
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, types.Dimension{Name: aws.String(pairs[i]), Value: aws.String(pairs[i+1])})
	}
	return d
}

func statQuery(id, metric, stat string, period int32, d ...string) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("AWS/Lambda"), MetricName: &metric, Dimensions: dims(d...)},
		Period: &period, Stat: &stat,
	}}
}

// show writes a result as "+0s=3 +60s=1", offsets being from start.
func show(start time.Time, r types.MetricDataResult) string {
	var parts []string
	for i, ts := range r.Timestamps {
		parts = append(parts, fmt.Sprintf("+%v=%g", ts.Sub(start), math.Round(r.Values[i]*1e6)/1e6))
	}
	return strings.Join(parts, " ")
}

// What the embedded services record comes back through the SDK, by second and by minute, with every statistic.
func TestGetMetricData(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	c := client(t, s)
	start := clk.Now()
	d := []string{"FunctionName", "shop", "Resource", "shop:live", "ExecutedVersion", "7"}
	// Dimensions are a set: their order does not matter.
	duration := s.Series("AWS/Lambda", "Duration", "Milliseconds", "ExecutedVersion", "7", "Resource", "shop:live", "FunctionName", "shop")
	for i := range 90 {
		duration(float64(i + 1))
		clk.advance(time.Second)
	}
	end := clk.Now()
	for _, c2 := range []struct {
		stat   string
		period int32
		want   string
	}{
		{"Sum", 60, "+0s=1830 +1m0s=2265"},
		{"SampleCount", 60, "+0s=60 +1m0s=30"},
		{"Average", 60, "+0s=30.5 +1m0s=75.5"},
		{"Minimum", 60, "+0s=1 +1m0s=61"},
		{"Maximum", 60, "+0s=60 +1m0s=90"},
		{"p50", 60, "+0s=30 +1m0s=75"},
		{"p99.9", 60, "+0s=60 +1m0s=90"},
		{"Sum", 30, "+0s=465 +30s=1365 +1m0s=2265"},
		{"Maximum", 20, "+0s=20 +20s=40 +40s=60 +1m0s=80 +1m20s=90"},
		{"Sum", 120, "+0s=4095"},
		{"SampleCount", 86400, "+0s=90"},
	} {
		out, err := c.GetMetricData(t.Context(), &awscw.GetMetricDataInput{
			StartTime: &start, EndTime: &end, ScanBy: types.ScanByTimestampAscending,
			MetricDataQueries: []types.MetricDataQuery{statQuery("q", "Duration", c2.stat, c2.period, d...)},
		})
		if err != nil {
			t.Fatal(err)
		}
		r := out.MetricDataResults[0]
		if got := show(start, r); got != c2.want || r.StatusCode != types.StatusCodeComplete || *r.Label != "Duration" || *r.Id != "q" {
			t.Errorf("%s by %d s: got %s (%s), want %s", c2.stat, c2.period, got, r.StatusCode, c2.want)
		}
	}
}

// The start is rounded down and inclusive, the end exclusive, the newest first unless asked otherwise, and a query
// that is only for expressions is not returned.
func TestGetMetricDataWindow(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	c := client(t, s)
	start := clk.Now()
	record := s.Series("AWS/Lambda", "Errors", "Count", "FunctionName", "f")
	for range 5 {
		record(1)
		clk.advance(time.Minute)
	}
	get := func(from, to time.Duration, period int32, unit types.StandardUnit, hidden bool) string {
		q := statQuery("a", "Errors", "Sum", period, "FunctionName", "f")
		q.MetricStat.Unit = unit
		if hidden {
			q.ReturnData = aws.Bool(false)
		}
		out, err := c.GetMetricData(t.Context(), &awscw.GetMetricDataInput{
			StartTime: aws.Time(start.Add(from)), EndTime: aws.Time(start.Add(to)), MetricDataQueries: []types.MetricDataQuery{q},
		})
		if err != nil {
			t.Fatal(err)
		}
		if len(out.MetricDataResults) == 0 {
			return "nothing"
		}
		return show(start, out.MetricDataResults[0])
	}
	for _, c := range []struct {
		name     string
		from, to time.Duration
		period   int32
		unit     types.StandardUnit
		hidden   bool
		want     string
	}{
		{"newest first", 0, 3 * time.Minute, 60, "", false, "+2m0s=1 +1m0s=1 +0s=1"},
		{"start rounded down", 90 * time.Second, 4 * time.Minute, 60, "", false, "+3m0s=1 +2m0s=1 +1m0s=1"},
		{"end exclusive", 0, time.Minute, 60, "", false, "+0s=1"},
		{"a period that has begun counts whole", 0, 61 * time.Second, 120, "", false, "+0s=2"},
		{"unit that it has", 0, time.Minute, 60, types.StandardUnitCount, false, "+0s=1"},
		{"unit that it has not", 0, time.Minute, 60, types.StandardUnitSeconds, false, ""},
		{"not returned", 0, time.Minute, 60, "", true, "nothing"},
		{"before any data", -time.Hour, 0, 60, "", false, ""},
		{"ten seconds", 55 * time.Second, 65 * time.Second, 10, "", false, "+1m0s=1"},
	} {
		if got := get(c.from, c.to, c.period, c.unit, c.hidden); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// Expressions read metrics and one another; an array gives a result for each of its series; labels name them.
func TestExpressions(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	c := client(t, s)
	start := clk.Now()
	errs, all := s.Series("AWS/Lambda", "Errors", "Count"), s.Series("AWS/Lambda", "Invocations", "Count")
	for i := range 4 {
		for range 10 {
			all(1)
		}
		if i != 2 {
			errs(float64(i))
		}
		clk.advance(time.Minute)
	}
	hide := func(q types.MetricDataQuery) types.MetricDataQuery { q.ReturnData = aws.Bool(false); return q }
	expression := func(id, e, label string) types.MetricDataQuery {
		q := types.MetricDataQuery{Id: &id, Expression: &e}
		if label != "" {
			q.Label = &label
		}
		return q
	}
	out, err := c.GetMetricData(t.Context(), &awscw.GetMetricDataInput{
		StartTime: &start, EndTime: aws.Time(clk.Now()), ScanBy: types.ScanByTimestampAscending,
		MetricDataQueries: []types.MetricDataQuery{
			expression("rate", "share*100", "error rate, at most ${MAX} %"), // what it reads comes later
			expression("share", "m1/m2", ""),
			expression("both", "FILL(METRICS(), 0)", "filled"),
			hide(statQuery("m1", "Errors", "Sum", 60)), hide(statQuery("m2", "Invocations", "Sum", 60)),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range out.MetricDataResults {
		got = append(got, *r.Id+" ("+*r.Label+"): "+show(start, r))
	}
	want := []string{
		"rate (error rate, at most 30 %): +0s=0 +1m0s=10 +2m0s=0 +3m0s=30",
		"share (share): +0s=0 +1m0s=0.1 +2m0s=0 +3m0s=0.3",
		"both (filled Errors): +0s=0 +1m0s=1 +2m0s=0 +3m0s=3",
		"both (filled Invocations): +0s=10 +1m0s=10 +2m0s=10 +3m0s=10",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Pages put together are the whole, in both directions, whatever their size.
func TestGetMetricDataPages(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	c := client(t, s)
	start := clk.Now()
	a, b := s.Series("AWS/Lambda", "Errors", "Count"), s.Series("AWS/Lambda", "Invocations", "Count")
	for i := range 25 {
		a(float64(i))
		if i%3 == 0 {
			b(float64(i))
		}
		clk.advance(time.Second)
	}
	end := clk.Now()
	for _, scan := range []types.ScanBy{types.ScanByTimestampAscending, types.ScanByTimestampDescending} {
		for _, size := range []int32{1, 4, 7, 25, 100} {
			in := &awscw.GetMetricDataInput{
				StartTime: &start, EndTime: &end, ScanBy: scan, MaxDatapoints: &size,
				MetricDataQueries: []types.MetricDataQuery{statQuery("a", "Errors", "Sum", 1), statQuery("b", "Invocations", "Sum", 1)},
			}
			got := map[string][]float64{}
			for pages := 0; ; pages++ {
				out, err := c.GetMetricData(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				n := 0
				for _, r := range out.MetricDataResults {
					got[*r.Id] = append(got[*r.Id], r.Values...)
					n += len(r.Values)
				}
				if n > int(size) {
					t.Fatalf("a page of %d has %d points", size, n)
				}
				if in.NextToken = out.NextToken; in.NextToken == nil {
					break
				}
				if pages > 50 {
					t.Fatal("the pages do not end")
				}
			}
			var wantA, wantB []float64
			for i := range 25 {
				wantA = append(wantA, float64(i))
				if i%3 == 0 {
					wantB = append(wantB, float64(i))
				}
			}
			if scan == types.ScanByTimestampDescending {
				slices.Reverse(wantA)
				slices.Reverse(wantB)
			}
			if !slices.Equal(got["a"], wantA) || !slices.Equal(got["b"], wantB) {
				t.Errorf("%s by %d: got %v", scan, size, got)
			}
		}
	}
	_, err := c.GetMetricData(t.Context(), &awscw.GetMetricDataInput{
		StartTime: &start, EndTime: &end, NextToken: aws.String("bm9uZQ"),
		MetricDataQueries: []types.MetricDataQuery{statQuery("a", "Errors", "Sum", 1)},
	})
	if bad := (*types.InvalidNextToken)(nil); !errors.As(err, &bad) {
		t.Errorf("a foreign token gives %v", err)
	}
}

func TestPutAndStatistics(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	c := client(t, s)
	start := clk.Now()
	put := func(data ...types.MetricDatum) {
		t.Helper()
		if _, err := c.PutMetricData(t.Context(), &awscw.PutMetricDataInput{Namespace: aws.String("Shop"), MetricData: data}); err != nil {
			t.Fatal(err)
		}
	}
	put(types.MetricDatum{MetricName: aws.String("Latency"), Unit: types.StandardUnitMilliseconds, Values: []float64{10, 20, 30}, Counts: []float64{98, 1, 1}},
		types.MetricDatum{MetricName: aws.String("Latency"), Unit: types.StandardUnitSeconds, Value: aws.Float64(1)},
		types.MetricDatum{MetricName: aws.String("Latency"), Unit: types.StandardUnitMilliseconds, Value: aws.Float64(5), Timestamp: aws.Time(start.Add(-time.Hour))},
		types.MetricDatum{MetricName: aws.String("Set"), StatisticValues: &types.StatisticSet{
			SampleCount: aws.Float64(4), Sum: aws.Float64(10), Minimum: aws.Float64(1), Maximum: aws.Float64(4),
		}})
	out, err := c.GetMetricStatistics(t.Context(), &awscw.GetMetricStatisticsInput{
		Namespace: aws.String("Shop"), MetricName: aws.String("Latency"), StartTime: aws.Time(start.Add(-2 * time.Hour)), EndTime: aws.Time(start.Add(time.Minute)),
		Period: aws.Int32(3600), Statistics: types.Statistic("").Values(), ExtendedStatistics: []string{"p99", "p50"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range out.Datapoints {
		got = append(got, fmt.Sprintf("%v %s n=%g sum=%g avg=%g min=%g max=%g p50=%g p99=%g", p.Timestamp.Sub(start), p.Unit, *p.SampleCount, *p.Sum,
			*p.Average, *p.Minimum, *p.Maximum, p.ExtendedStatistics["p50"], p.ExtendedStatistics["p99"]))
	}
	want := []string{
		"-1h0m0s Milliseconds n=1 sum=5 avg=5 min=5 max=5 p50=5 p99=5",
		"0s Seconds n=1 sum=1 avg=1 min=1 max=1 p50=1 p99=1",
		"0s Milliseconds n=100 sum=1030 avg=10.3 min=10 max=30 p50=10 p99=20",
	}
	if slices.Sort(got); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// Of a statistic set nobody knows the single values: no percentile, rather than a made-up one.
	for stat, want := range map[string]string{"Average": "+0s=2.5", "p50": ""} {
		q := statQuery("s", "Set", stat, 60)
		q.MetricStat.Metric.Namespace = aws.String("Shop")
		r, err := c.GetMetricData(t.Context(), &awscw.GetMetricDataInput{
			StartTime: &start, EndTime: aws.Time(start.Add(time.Minute)), MetricDataQueries: []types.MetricDataQuery{q},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := show(start, r.MetricDataResults[0]); got != want {
			t.Errorf("%s of a statistic set: got %q, want %q", stat, got, want)
		}
	}
}

func TestListMetrics(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	c := client(t, s)
	for i := range 1203 {
		s.Series("AWS/Lambda", "Invocations", "Count", "FunctionName", fmt.Sprintf("f%04d", i))(1)
	}
	s.Series("AWS/States", "ExecutionsStarted", "Count", "StateMachineArn", "m")(1)
	s.Series("AWS/States", "ExecutionsFailed", "Count", "StateMachineArn", "m") // no data yet
	s.Series("Shop", "Latency", "Seconds")(1)
	s.Series("Shop", "Latency", "Milliseconds")(1)
	list := func(in awscw.ListMetricsInput) (names []string) {
		t.Helper()
		p := awscw.NewListMetricsPaginator(c, &in)
		for p.HasMorePages() {
			out, err := p.NextPage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(out.Metrics) > 500 {
				t.Fatalf("a page of %d", len(out.Metrics))
			}
			for _, m := range out.Metrics {
				name := *m.Namespace + " " + *m.MetricName
				for _, d := range m.Dimensions {
					name += " " + *d.Name + "=" + *d.Value
				}
				names = append(names, name)
			}
		}
		return names
	}
	if all := list(awscw.ListMetricsInput{}); len(all) != 1205 || !slices.IsSorted(all) {
		t.Errorf("%d metrics, sorted %v", len(all), slices.IsSorted(all))
	}
	for _, c := range []struct {
		in   awscw.ListMetricsInput
		want string
	}{
		{awscw.ListMetricsInput{Namespace: aws.String("AWS/States")}, "AWS/States ExecutionsStarted StateMachineArn=m"},
		{awscw.ListMetricsInput{MetricName: aws.String("Latency")}, "Shop Latency"},
		{awscw.ListMetricsInput{Dimensions: []types.DimensionFilter{{Name: aws.String("FunctionName"), Value: aws.String("f0007")}}}, "AWS/Lambda Invocations FunctionName=f0007"},
		{awscw.ListMetricsInput{Dimensions: []types.DimensionFilter{{Name: aws.String("StateMachineArn")}}}, "AWS/States ExecutionsStarted StateMachineArn=m"},
		{awscw.ListMetricsInput{Namespace: aws.String("AWS/Lambda"), MetricName: aws.String("None")}, ""},
	} {
		if got := strings.Join(list(c.in), ","); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	clk.advance(4 * time.Hour)
	s.Series("Shop", "Latency", "Seconds")(1)
	if got := strings.Join(list(awscw.ListMetricsInput{RecentlyActive: types.RecentlyActivePt3h}), ","); got != "Shop Latency" {
		t.Errorf("recently active: %q", got)
	}
}

// Refusals carry the codes of the Query protocol, as CloudWatch has them in every protocol for the SDK, and name what was refused.
func TestRefusals(t *testing.T) {
	clk := newHandClock()
	s := newService(t, Config{Clock: clk})
	c := client(t, s)
	start, end := clk.Now(), clk.Now().Add(time.Hour)
	datum := func(change func(*types.MetricDatum)) error {
		d := types.MetricDatum{MetricName: aws.String("M"), Value: aws.Float64(1)}
		change(&d)
		_, err := c.PutMetricData(t.Context(), &awscw.PutMetricDataInput{Namespace: aws.String("N"), MetricData: []types.MetricDatum{
			{MetricName: aws.String("Good"), Value: aws.Float64(1)}, d,
		}})
		return err
	}
	data := func(change func(*awscw.GetMetricDataInput)) error {
		in := awscw.GetMetricDataInput{StartTime: &start, EndTime: &end, MetricDataQueries: []types.MetricDataQuery{statQuery("a", "M", "Sum", 60)}}
		change(&in)
		_, err := c.GetMetricData(t.Context(), &in)
		return err
	}
	stats := func(change func(*awscw.GetMetricStatisticsInput)) error {
		in := awscw.GetMetricStatisticsInput{
			Namespace: aws.String("N"), MetricName: aws.String("M"), StartTime: &start, EndTime: &end,
			Period: aws.Int32(60), Statistics: []types.Statistic{types.StatisticSum},
		}
		change(&in)
		_, err := c.GetMetricStatistics(t.Context(), &in)
		return err
	}
	for _, refusal := range []struct {
		err        error
		code, says string
	}{
		{datum(func(d *types.MetricDatum) { d.Value = nil }), "MissingParameter", "MetricData.member.2.Value"},
		{datum(func(d *types.MetricDatum) { d.Value = aws.Float64(math.NaN()) }), "InvalidParameterValue", "NaN"},
		{datum(func(d *types.MetricDatum) { d.Value = aws.Float64(math.Inf(1)) }), "InvalidParameterValue", "MetricData.member.2.Value"},
		{datum(func(d *types.MetricDatum) { d.Values = []float64{1} }), "InvalidParameterCombination", "mutually exclusive"},
		{datum(func(d *types.MetricDatum) { d.Value, d.Values, d.Counts = nil, []float64{1}, []float64{1, 2} }), "InvalidParameterCombination", "same number"},
		{datum(func(d *types.MetricDatum) { d.Value, d.Values, d.Counts = nil, []float64{1}, []float64{-1} }), "InvalidParameterValue", "Counts.member.1"},
		{datum(func(d *types.MetricDatum) { d.Unit = "Furlongs" }), "InvalidParameterValue", "Furlongs"},
		{datum(func(d *types.MetricDatum) { d.StorageResolution = aws.Int32(5) }), "InvalidParameterValue", "StorageResolution"},
		{datum(func(d *types.MetricDatum) { d.Timestamp = aws.Time(start.Add(-15 * 24 * time.Hour)) }), "InvalidParameterValue", "two weeks"},
		{datum(func(d *types.MetricDatum) { d.Timestamp = aws.Time(start.Add(3 * time.Hour)) }), "InvalidParameterValue", "two hours"},
		{datum(func(d *types.MetricDatum) { d.Dimensions = dims("a", "1", "a", "2") }), "InvalidParameterValue", "dimension"},
		{data(func(in *awscw.GetMetricDataInput) { in.EndTime = &start }), "ValidationError", "StartTime must be less"},
		{data(func(in *awscw.GetMetricDataInput) { in.MetricDataQueries[0].Id = aws.String("Upper") }), "ValidationError", "Upper"},
		{data(func(in *awscw.GetMetricDataInput) {
			in.MetricDataQueries = append(in.MetricDataQueries, in.MetricDataQueries[0])
		}), "ValidationError", "not unique"},
		{data(func(in *awscw.GetMetricDataInput) {
			in.MetricDataQueries[0] = types.MetricDataQuery{Id: aws.String("e"), Expression: aws.String("m1/m2*100")}
		}), "ValidationError", "id m1"},
		{data(func(in *awscw.GetMetricDataInput) {
			in.MetricDataQueries[0] = types.MetricDataQuery{Id: aws.String("e"), Expression: aws.String("SELECT AVG(Errors) FROM SCHEMA(\"AWS/Lambda\")")}
		}), "ValidationError", "Metrics Insights"},
		{data(func(in *awscw.GetMetricDataInput) {
			in.MetricDataQueries[0] = types.MetricDataQuery{Id: aws.String("e"), Expression: aws.String("e+1")}
		}), "ValidationError", "itself"},
		{data(func(in *awscw.GetMetricDataInput) {
			in.MetricDataQueries = append(in.MetricDataQueries, types.MetricDataQuery{Id: aws.String("e"), Expression: aws.String("SUM(a)")})
		}), "ValidationError", "yields a number"},
		{data(func(in *awscw.GetMetricDataInput) {
			in.MetricDataQueries[0].MetricStat.Stat = aws.String("PR(10%:90%)")
		}), "ValidationError", "PR(10%:90%)"},
		{data(func(in *awscw.GetMetricDataInput) { in.MetricDataQueries[0].MetricStat.Stat = aws.String("p101") }), "ValidationError", "p101"},
		{data(func(in *awscw.GetMetricDataInput) { in.MetricDataQueries[0].MetricStat.Period = aws.Int32(45) }), "ValidationError", "45"},
		{data(func(in *awscw.GetMetricDataInput) { in.MetricDataQueries[0].Label = aws.String("${NOPE}") }), "ValidationError", "${NOPE}"},
		{data(func(in *awscw.GetMetricDataInput) { in.MaxDatapoints = aws.Int32(100_801) }), "ValidationError", "100800"},
		{stats(func(in *awscw.GetMetricStatisticsInput) { in.Statistics = nil }), "InvalidParameterCombination", "ExtendedStatistics"},
		{stats(func(in *awscw.GetMetricStatisticsInput) { in.Statistics[0] = "Median" }), "InvalidParameterValue", "Median"},
		{stats(func(in *awscw.GetMetricStatisticsInput) { in.ExtendedStatistics = []string{"TM(:)"} }), "InvalidParameterValue", "TM(:)"},
		{stats(func(in *awscw.GetMetricStatisticsInput) {
			in.Period = aws.Int32(1)
			in.EndTime = aws.Time(start.Add(1441 * time.Second))
		}), "InvalidParameterCombination", "1441 datapoints"},
	} {
		var api smithy.APIError
		if !errors.As(refusal.err, &api) || api.ErrorCode() != refusal.code || !strings.Contains(api.ErrorMessage(), refusal.says) {
			t.Errorf("got %v, want %s with %q", refusal.err, refusal.code, refusal.says)
		}
	}
	// Namespaces of AWS are AWS's, and a call with one bad datum stores nothing.
	if _, err := c.PutMetricData(t.Context(), &awscw.PutMetricDataInput{
		Namespace:  aws.String("AWS/Lambda"),
		MetricData: []types.MetricDatum{{MetricName: aws.String("M"), Value: aws.Float64(1)}},
	}); err == nil {
		t.Error("the namespace AWS/Lambda was accepted")
	}
	if out, err := c.ListMetrics(t.Context(), nil); err != nil || len(out.Metrics) != 0 {
		t.Errorf("refused calls left %v, %v", out.Metrics, err)
	}
}
