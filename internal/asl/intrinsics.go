package asl

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// intrinsic is one function of the language; max < 0 means any number of arguments.
type intrinsic struct {
	min, max int
	run      func(env *Env, c *call, args []any) (any, error)
}

// intrinsics lists all functions.
//
// https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
var intrinsics map[string]*intrinsic

func init() {
	plain := func(f func(args []any) (any, error)) func(*Env, *call, []any) (any, error) {
		return func(_ *Env, _ *call, args []any) (any, error) { return f(args) }
	}
	intrinsics = map[string]*intrinsic{
		"States.Array":          {0, -1, plain(func(args []any) (any, error) { return args, nil })},
		"States.ArrayPartition": {2, 2, plain(arrayPartition)},
		"States.ArrayContains":  {2, 2, plain(arrayContains)},
		"States.ArrayRange":     {3, 3, plain(arrayRange)},
		"States.ArrayGetItem":   {2, 2, plain(arrayGetItem)},
		"States.ArrayLength":    {1, 1, plain(arrayLength)},
		"States.ArrayUnique":    {1, 1, plain(arrayUnique)},
		"States.Base64Encode":   {1, 1, plain(base64Encode)},
		"States.Base64Decode":   {1, 1, plain(base64Decode)},
		"States.Hash":           {2, 2, plain(hash)},
		"States.JsonMerge":      {3, 3, plain(jsonMerge)},
		"States.StringToJson":   {1, 1, plain(stringToJSON)},
		"States.JsonToString":   {1, 1, plain(func(args []any) (any, error) { return string(jsonvalue.Marshal(args[0])), nil })},
		"States.MathAdd":        {2, 2, plain(mathAdd)},
		"States.MathRandom":     {2, 3, mathRandom},
		"States.StringSplit":    {2, 2, plain(stringSplit)},
		"States.Format":         {1, -1, format},
		"States.UUID":           {0, 0, func(env *Env, _ *call, _ []any) (any, error) { return uuid(env.Random), nil }},
	}
}

func arrayArg(args []any, i int) ([]any, error) {
	a, ok := args[i].([]any)
	if !ok {
		return nil, fmt.Errorf("argument %d must be an array, it is of type %s", i+1, jsonvalue.TypeName(args[i]))
	}
	return a, nil
}

func textArg(args []any, i int) (string, error) {
	s, ok := args[i].(string)
	if !ok {
		return "", fmt.Errorf("argument %d must be a string, it is of type %s", i+1, jsonvalue.TypeName(args[i]))
	}
	return s, nil
}

// intArg rounds a decimal half up, as the service does.
func intArg(args []any, i int) (int64, error) {
	n, ok := args[i].(jsonvalue.Number)
	if !ok {
		return 0, fmt.Errorf("argument %d must be a number, it is of type %s", i+1, jsonvalue.TypeName(args[i]))
	}
	return n.Round(), nil
}

func arrayPartition(args []any) (any, error) {
	a, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	size, err := intArg(args, 1)
	if err != nil {
		return nil, err
	}
	if size < 1 {
		return nil, fmt.Errorf("the chunk size %d is not positive", size)
	}
	parts := []any{}
	for len(a) > 0 {
		n := int(min(size, int64(len(a))))
		parts = append(parts, a[:n:n])
		a = a[n:]
	}
	return parts, nil
}

func arrayContains(args []any) (any, error) {
	a, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	for _, v := range a {
		if jsonvalue.Equal(v, args[1]) {
			return true, nil
		}
	}
	return false, nil
}

// maxRange is the largest array that States.ArrayRange makes.
const maxRange = 1000

func arrayRange(args []any) (any, error) {
	var n [3]int64
	for i := range n {
		var err error
		if n[i], err = intArg(args, i); err != nil {
			return nil, err
		}
		if n[i] > 1<<53 || n[i] < -1<<53 {
			return nil, fmt.Errorf("argument %d is out of range", i+1)
		}
	}
	first, last, step := n[0], n[1], n[2]
	if step == 0 {
		return nil, errors.New("the step is zero")
	}
	a := []any{}
	for v := first; step > 0 && v <= last || step < 0 && v >= last; v += step {
		if len(a) == maxRange {
			return nil, fmt.Errorf("the array would have more than %d elements", maxRange)
		}
		a = append(a, jsonvalue.Int(v))
	}
	return a, nil
}

func arrayGetItem(args []any) (any, error) {
	a, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	i, err := intArg(args, 1)
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= int64(len(a)) {
		return nil, fmt.Errorf("Index %d out of bounds for length %d", i, len(a))
	}
	return a[i], nil
}

func arrayLength(args []any) (any, error) {
	a, err := arrayArg(args, 0)
	return jsonvalue.Int(int64(len(a))), err
}

func arrayUnique(args []any) (any, error) {
	a, err := arrayArg(args, 0)
	if err != nil {
		return nil, err
	}
	seen := make(map[string]bool, len(a))
	unique := []any{}
	for _, v := range a {
		if k := string(jsonvalue.Marshal(v)); !seen[k] {
			seen[k] = true
			unique = append(unique, v)
		}
	}
	return unique, nil
}

// maxText is the longest text that can be hashed or coded, in characters.
const maxText = 10_000

func shortText(args []any) (string, error) {
	s, err := textArg(args, 0)
	if err == nil && utf8.RuneCountInString(s) > maxText {
		err = fmt.Errorf("argument 1 is longer than %d characters", maxText)
	}
	return s, err
}

func base64Encode(args []any) (any, error) {
	s, err := shortText(args)
	return base64.StdEncoding.EncodeToString([]byte(s)), err
}

func base64Decode(args []any) (any, error) {
	s, err := shortText(args)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("argument 1 is not valid Base64")
	}
	return strings.ToValidUTF8(string(b), "\uFFFD"), nil
}

func hash(args []any) (any, error) {
	text, ok := args[0].(string)
	if !ok {
		text = string(jsonvalue.Marshal(args[0]))
	}
	if utf8.RuneCountInString(text) > maxText {
		return nil, fmt.Errorf("argument 1 is longer than %d characters", maxText)
	}
	algorithm, err := textArg(args, 1)
	if err != nil {
		return nil, err
	}
	data := []byte(text)
	var sum []byte
	switch algorithm {
	case "MD5":
		s := md5.Sum(data)
		sum = s[:]
	case "SHA-1":
		s := sha1.Sum(data)
		sum = s[:]
	case "SHA-256":
		s := sha256.Sum256(data)
		sum = s[:]
	case "SHA-384":
		s := sha512.Sum384(data)
		sum = s[:]
	case "SHA-512":
		s := sha512.Sum512(data)
		sum = s[:]
	default:
		return nil, fmt.Errorf("the algorithm %q is not one of MD5, SHA-1, SHA-256, SHA-384, SHA-512", algorithm)
	}
	return hex.EncodeToString(sum), nil
}

func jsonMerge(args []any) (any, error) {
	a, aok := args[0].(*jsonvalue.Object)
	b, bok := args[1].(*jsonvalue.Object)
	switch {
	case !aok || !bok:
		return nil, errors.New("arguments 1 and 2 must be objects")
	case args[2] != false:
		return nil, errors.New("argument 3 must be false: only shallow merging is supported")
	}
	merged := jsonvalue.NewObject(a.Len() + b.Len())
	for _, o := range []*jsonvalue.Object{a, b} {
		for i := range o.Len() {
			merged.Set(o.At(i))
		}
	}
	return merged, nil
}

func stringToJSON(args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	if strings.Trim(s, " \t\r\n") == "" {
		return nil, nil
	}
	return jsonvalue.ParseString(s)
}

// mathAdd rounds each number before it adds them, as the service does.
func mathAdd(args []any) (any, error) {
	a, err := intArg(args, 0)
	if err != nil {
		return nil, err
	}
	b, err := intArg(args, 1)
	if err != nil {
		return nil, err
	}
	if s := a + b; (s > a) == (b > 0) {
		return jsonvalue.Int(s), nil
	}
	return nil, errors.New("the sum is out of range")
}

// mathRandom draws from start (inclusive) to end (exclusive); a seed makes it repeatable, drawing as java.util.Random does.
func mathRandom(env *Env, _ *call, args []any) (any, error) {
	start, err := intArg(args, 0)
	if err != nil {
		return nil, err
	}
	end, err := intArg(args, 1)
	if err != nil {
		return nil, err
	}
	if end <= start || end-start <= 0 {
		return nil, fmt.Errorf("the end %d is not greater than the start %d", end, start)
	}
	if len(args) == 2 {
		return jsonvalue.Int(start + int64(env.Random.Below(uint64(end-start)))), nil
	}
	seed, err := intArg(args, 2)
	if err != nil {
		return nil, err
	}
	return jsonvalue.Int(start + int64(javaDouble(seed)*float64(end-start))), nil
}

// javaDouble is the first nextDouble of a java.util.Random with this seed.
func javaDouble(seed int64) float64 {
	const multiplier, mask = 0x5DEECE66D, 1<<48 - 1
	s := (uint64(seed) ^ multiplier) & mask
	next := func(bits uint) uint64 {
		s = (s*multiplier + 0xB) & mask
		return s >> (48 - bits)
	}
	high := next(26)
	return float64(high<<27+next(27)) / (1 << 53)
}

// stringSplit splits at every character of the second argument; empty parts are dropped.
func stringSplit(args []any) (any, error) {
	s, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	cut, err := textArg(args, 1)
	if err != nil {
		return nil, err
	}
	parts := []any{}
	for p := range strings.FieldsFuncSeq(s, func(r rune) bool { return strings.ContainsRune(cut, r) }) {
		parts = append(parts, p)
	}
	return parts, nil
}

// format puts the arguments in the places of {}. \{, \}, \' and \\ stand for the second character.
func format(_ *Env, c *call, args []any) (any, error) {
	template, err := textArg(args, 0)
	if err != nil {
		return nil, err
	}
	if a := c.args[0]; a.path == nil && a.call == nil {
		template = a.raw
	}
	args = args[1:]
	var b strings.Builder
	used := 0
	for i := 0; i < len(template); i++ {
		switch {
		case template[i] == '\\' && i+1 < len(template) && strings.IndexByte(`'{}\`, template[i+1]) >= 0:
			i++
			b.WriteByte(template[i])
		case strings.HasPrefix(template[i:], "{}"):
			if used < len(args) {
				b.WriteString(jsonvalue.JavaString(args[used]))
			}
			used++
			i++
		default:
			b.WriteByte(template[i])
		}
	}
	if used != len(args) {
		return nil, fmt.Errorf("the template has %d placeholders, but there are %d arguments", used, len(args))
	}
	return b.String(), nil
}

// uuid makes a version 4 UUID.
func uuid(r *Random) string {
	hi, lo := r.Uint64(), r.Uint64()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", hi>>32, hi>>16&0xffff, hi&0xffff, lo>>48, lo&(1<<48-1))
}
