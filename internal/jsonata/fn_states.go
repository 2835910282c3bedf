package jsonata

import (
	"crypto/md5"  //nolint:gosec // asked for by name
	"crypto/sha1" //nolint:gosec // asked for by name
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"math"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// The functions that Step Functions adds to the language.
// https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html#jsonata-functions-provided

// fnPartition cuts an array into arrays of a size; the last one may be shorter.
func fnPartition(ev *evaluator, args []any) (any, error) {
	items, ok := elements(args[0])
	if !ok {
		return undefined, nil
	}
	size, ok := number(args[1])
	if !ok {
		return undefined, nil
	}
	size = math.Trunc(size)
	if !(size >= 1) {
		return nil, failArg("D3150", 2, args[1])
	}
	if err := ev.spend(len(items)); err != nil {
		return nil, err
	}
	n := int(min(size, float64(len(items)+1)))
	out := newPlain()
	for len(items) > 0 {
		k := min(n, len(items))
		out.items = append(out.items, newPlain(items[:k:k]...))
		items = items[k:]
	}
	return out, nil
}

// fnRange gives the numbers from the first, by steps, up to the last one inclusive.
func fnRange(ev *evaluator, args []any) (any, error) {
	var v [3]float64
	for i := range v {
		f, ok := number(args[i])
		if !ok {
			return undefined, nil
		}
		v[i] = f
	}
	from, to, by := v[0], v[1], v[2]
	if by == 0 || math.IsNaN(by) {
		return nil, failArg("D3150", 3, args[2])
	}
	size := math.Floor((to-from)/by) + 1
	if !(size >= 1) {
		return newPlain(), nil
	}
	if size > maxRange {
		return nil, fail("D2014", size)
	}
	if err := ev.spend(int(size)); err != nil {
		return nil, err
	}
	items := make([]any, int(size))
	for i := range items {
		items[i] = from + float64(i)*by
	}
	return newPlain(items...), nil
}

// fnHash gives the digest of a text in hexadecimal digits.
func fnHash(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	if err := ev.spendText(len(s)); err != nil {
		return nil, err
	}
	switch name, _ := text(args[1]); name {
	case "MD5":
		d := md5.Sum([]byte(s)) //nolint:gosec // asked for by name
		return hex.EncodeToString(d[:]), nil
	case "SHA-1":
		d := sha1.Sum([]byte(s)) //nolint:gosec // asked for by name
		return hex.EncodeToString(d[:]), nil
	case "SHA-256":
		d := sha256.Sum256([]byte(s))
		return hex.EncodeToString(d[:]), nil
	case "SHA-384":
		d := sha512.Sum384([]byte(s))
		return hex.EncodeToString(d[:]), nil
	case "SHA-512":
		d := sha512.Sum512([]byte(s))
		return hex.EncodeToString(d[:]), nil
	}
	return nil, failArg("D3152", 2, args[1])
}

// fnRandom gives a number from 0 up to 1: with a seed, always the one that java.util.Random gives first.
func fnRandom(ev *evaluator, args []any) (any, error) {
	if len(args) == 0 || isUndefined(args[0]) {
		return ev.nextFloat(), nil
	}
	seed, _ := number(args[0])
	return javaRandom(int64(max(math.MinInt64, min(seed, math.MaxInt64-1024)))), nil
}

// javaRandom is the first nextDouble of a java.util.Random with a seed: a linear congruential generator of 48 bits, of
// which 26 and then 27 bits make the fraction.
func javaRandom(seed int64) float64 {
	const multiplier, mask = 0x5DEECE66D, 1<<48 - 1
	s := (uint64(seed) ^ multiplier) & mask
	next := func(bits int) uint64 {
		s = (s*multiplier + 0xB) & mask
		return s >> (48 - bits)
	}
	high := next(26) << 27
	return float64(high+next(27)) / (1 << 53)
}

// nextBits gives the next of the evaluation's random numbers (SplitMix64, Steele, Lea and Flood 2014).
func (ev *evaluator) nextBits() uint64 {
	ev.random += 0x9E3779B97F4A7C15
	z := ev.random
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return z ^ z>>31
}

func (ev *evaluator) nextFloat() float64 { return float64(ev.nextBits()>>11) / (1 << 53) }

// fnUUID makes a UUID of version 4 from the evaluation's random numbers.
func fnUUID(ev *evaluator, _ []any) (any, error) {
	var b [16]byte
	for i, bits := range [2]uint64{ev.nextBits(), ev.nextBits()} {
		for j := range 8 {
			b[i*8+j] = byte(bits >> (8 * j))
		}
	}
	b[6] = b[6]&0x0F | 0x40
	b[8] = b[8]&0x3F | 0x80
	s := hex.EncodeToString(b[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:], nil
}

// fnParse reads JSON text.
func fnParse(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	if err := ev.spendText(4 * len(s)); err != nil {
		return nil, err
	}
	v, err := jsonvalue.ParseString(s)
	if err != nil {
		return nil, failArg("D3151", 1, s)
	}
	return v, nil
}
