package lambda

// accountSeries are the metrics of the account as a whole, which have no dimensions.
type accountSeries struct{ concurrent, unreserved func(float64) }

func (s *Service) newAccountSeries() accountSeries {
	return accountSeries{
		concurrent: s.cfg.Meter.Series(namespace, "ConcurrentExecutions", "Count"),
		unreserved: s.cfg.Meter.Series(namespace, "UnreservedConcurrentExecutions", "Count"),
	}
}

// count records how many invocations are under way, this one among them; uncount counts it out again.
func (s *Service) count(t target, m *series) {
	m.concurrent(float64(t.function.inside.Add(1)))
	s.account.concurrent(float64(s.inside.Add(1)))
	if n := s.unreserved.Load(); n > 0 {
		s.account.unreserved(float64(n))
	}
	if len(t.snapshot.warm) == 0 {
		return
	}
	run := t.to.version.run
	if ready := t.function.warm.readyFor(run); ready > 0 {
		m.provisioned().ran(int(run.leases.Load()), ready)
	}
}

func (s *Service) uncount(t target) {
	t.function.inside.Add(-1)
	s.inside.Add(-1)
}

// provisionedSeries are the metrics of a version that has environments ready, as it is reached through one qualifier.
//
// https://docs.aws.amazon.com/lambda/latest/dg/monitoring-concurrency.html
type provisionedSeries struct{ invocations, spillover, executions, utilization []func(float64) }

func (s *Service) newProvisionedSeries(sets [][]string) *provisionedSeries {
	p := &provisionedSeries{}
	for _, dims := range sets {
		of := func(metric string) func(float64) { return s.cfg.Meter.Series(namespace, metric, "Count", dims...) }
		p.invocations = append(p.invocations, of("ProvisionedConcurrencyInvocations"))
		p.spillover = append(p.spillover, of("ProvisionedConcurrencySpilloverInvocations"))
		p.executions = append(p.executions, of("ProvisionedConcurrentExecutions"))
		p.utilization = append(p.utilization, of("ProvisionedConcurrencyUtilization"))
	}
	return p
}

// ran records an invocation while so many are under way on the version, and so many environments are ready for it. What finds
// all of them at work spills over.
func (p *provisionedSeries) ran(inside, ready int) {
	busy := min(inside, ready)
	if inside <= ready {
		record(p.invocations, 1)
	} else {
		record(p.spillover, 1)
	}
	record(p.executions, float64(busy))
	record(p.utilization, float64(busy)/float64(ready))
}
