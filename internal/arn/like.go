package arn

import "strings"

// Like is IAM's ArnLike: each of the six parts of an ARN matches for itself, with * and ? in the pattern. A pattern that
// has not six parts matches only when it is "*".
//
// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
func Like(pattern, arn string) bool {
	whole := pattern
	for range 5 {
		p, restP, okP := strings.Cut(pattern, ":")
		a, restA, okA := strings.Cut(arn, ":")
		if !okP || !okA {
			return whole == "*"
		}
		if !Wildcard(p, a) {
			return false
		}
		pattern, arn = restP, restA
	}
	return Wildcard(pattern, arn)
}

// Wildcard is IAM's StringLike: * in the pattern stands for any text and ? for one byte.
func Wildcard(pattern, text string) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(text) {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, mark = i, j
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == text[j]):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(pattern) && pattern[i] == '*' {
		i++
	}
	return i == len(pattern)
}
