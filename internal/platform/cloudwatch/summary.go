package cloudwatch

// summary is what a metric got in one span of time.
type summary struct {
	n, sum, min, max float64
	// dist is nil while all values are the same (min), or when opaque.
	dist *distribution
	// opaque is set when statistic sets came in, whose single values nobody knows: then there are no percentiles.
	opaque bool
}

func (s *summary) add(v, n float64, limit int) {
	if s.n == 0 {
		s.n, s.sum, s.min, s.max = n, v*n, v, v
		return
	}
	if s.dist == nil && !s.opaque && (v != s.min || v != s.max) {
		s.dist = &distribution{}
		s.dist.add(s.min, s.n, limit)
	}
	s.n += n
	s.sum += v * n
	if v < s.min {
		s.min = v
	}
	if v > s.max {
		s.max = v
	}
	if s.dist != nil {
		s.dist.add(v, n, limit)
	}
}

// merge adds other, which stays as it is. It returns by how many bytes s grew.
func (s *summary) merge(other *summary, limit int) int64 {
	if other.n == 0 {
		return 0
	}
	before := s.extra()
	switch {
	case s.n == 0:
		*s = *other
		if other.dist != nil {
			s.dist = other.dist.clone()
			s.dist.coarsen(limit)
		}
		return s.extra()
	case s.opaque || other.opaque:
		s.opaque, s.dist = true, nil
	default:
		if s.dist == nil && (other.dist != nil || s.min != other.min) {
			s.dist = &distribution{}
			s.dist.add(s.min, s.n, limit)
		}
		switch {
		case other.dist != nil:
			s.dist.merge(other.dist, limit)
		case s.dist != nil:
			s.dist.add(other.min, other.n, limit)
		}
	}
	s.n += other.n
	s.sum += other.sum
	s.min = min(s.min, other.min)
	s.max = max(s.max, other.max)
	return s.extra() - before
}

// extra is how many bytes s holds beside itself.
func (s *summary) extra() int64 {
	if s.dist == nil {
		return 0
	}
	return 32 + int64(cap(s.dist.entries))*entryBytes
}

// percentile returns false when single values are not known.
func (s *summary) percentile(p float64) (float64, bool) {
	if s.opaque {
		return 0, false
	}
	if s.dist == nil {
		return s.min, true
	}
	return min(max(s.dist.percentile(p, s.n), s.min), s.max), true
}
