package s3

// AwaitSweep waits until the sweep has ended.
func (s *Service) AwaitSweep() { <-s.swept }

// CombineCRC is combineCRC of one of S3's algorithms.
func CombineCRC(name string, first, second uint64, length int64) uint64 {
	a, err := algorithmOf(name)
	if err != nil {
		panic(err)
	}
	return combineCRC(a.poly, a.width, first, second, length)
}
