package jsonata

import (
	"math"
	"strings"
)

// lettersOf counts a, b, … z, aa, ab, …
func lettersOf(f float64) string {
	var s []byte
	for f > 0 {
		s = append([]byte{byte('a' + int(math.Mod(f-1, 26)))}, s...)
		f = math.Floor((f - 1) / 26)
	}
	return string(s)
}

var romans = []struct {
	value float64
	text  string
}{
	{1000, "m"},
	{900, "cm"},
	{500, "d"},
	{400, "cd"},
	{100, "c"},
	{90, "xc"},
	{50, "l"},
	{40, "xl"},
	{10, "x"},
	{9, "ix"},
	{5, "v"},
	{4, "iv"},
	{1, "i"},
}

func romanOf(f float64) string {
	var b strings.Builder
	for _, r := range romans {
		for f >= r.value {
			b.WriteString(r.text)
			f -= r.value
		}
	}
	return b.String()
}

func romanValue(s string) float64 {
	values := map[byte]float64{'m': 1000, 'd': 500, 'c': 100, 'l': 50, 'x': 10, 'v': 5, 'i': 1}
	total, highest := 0.0, 1.0
	for i := len(s) - 1; i >= 0; i-- {
		v, ok := values[s[i]]
		switch {
		case !ok:
			return math.NaN()
		case v < highest:
			total -= v
		default:
			highest = v
			total += v
		}
	}
	return total
}

var (
	smallNumbers = strings.Fields("Zero One Two Three Four Five Six Seven Eight Nine Ten Eleven Twelve Thirteen Fourteen Fifteen Sixteen Seventeen Eighteen Nineteen")
	smallOrdinal = strings.Fields("Zeroth First Second Third Fourth Fifth Sixth Seventh Eighth Ninth Tenth Eleventh Twelfth Thirteenth Fourteenth Fifteenth Sixteenth Seventeenth Eighteenth Nineteenth")
	tens         = strings.Fields("Twenty Thirty Forty Fifty Sixty Seventy Eighty Ninety")
	magnitudes   = strings.Fields("Thousand Million Billion Trillion")
)

// wordsOf writes an integer in English; inner tells that more words stand before it.
func wordsOf(f float64, inner, ordinal bool) string {
	lead := func(s string) string {
		if inner {
			return s
		}
		return ""
	}
	switch {
	case f <= 19:
		words := smallNumbers
		if ordinal {
			words = smallOrdinal
		}
		return lead(" and ") + words[int(f)]
	case f < 100:
		word := tens[int(f/10)-2]
		rest := math.Mod(f, 10)
		switch {
		case rest > 0:
			word += "-" + wordsOf(rest, false, ordinal)
		case ordinal:
			word = word[:len(word)-1] + "ieth"
		}
		return lead(" and ") + word
	}
	unit, name := 100.0, "Hundred"
	if f >= 1000 {
		unit = 1000
		i := 0
		for i+1 < len(magnitudes) && f >= unit*1000 {
			unit *= 1000
			i++
		}
		name = magnitudes[i]
	}
	if math.IsInf(f, 0) || f > 1e300 {
		return lead(", ") + formatNumber(f)
	}
	count := math.Floor(f / unit)
	rest := f - count*unit
	s := lead(", ") + wordsOf(count, false, false) + " " + name
	switch {
	case rest > 0:
		s += wordsOf(rest, true, ordinal)
	case ordinal:
		s += "th"
	}
	return s
}

var wordValues = func() map[string]float64 {
	m := map[string]float64{"hundred": 100, "hundredth": 100}
	for i := range smallNumbers {
		m[strings.ToLower(smallNumbers[i])] = float64(i)
		m[strings.ToLower(smallOrdinal[i])] = float64(i)
	}
	for i, t := range tens {
		t = strings.ToLower(t)
		m[t] = float64(i+2) * 10
		m[t[:len(t)-1]+"ieth"] = float64(i+2) * 10
	}
	for i, name := range magnitudes {
		name = strings.ToLower(name)
		m[name] = math.Pow(1000, float64(i+1))
		m[name+"th"] = math.Pow(1000, float64(i+1))
	}
	return m
}()

// wordsValue reads English number words in lower case.
func wordsValue(s string) float64 {
	s = strings.NewReplacer(", ", "|", " and ", "|", " ", "|", "-", "|", `\`, "|").Replace(s)
	parts := []float64{0}
	for _, w := range strings.Split(s, "|") {
		v, ok := wordValues[w]
		if !ok {
			return math.NaN()
		}
		top := &parts[len(parts)-1]
		switch {
		case v >= 100:
			*top *= v
		case *top >= 1000:
			parts = append(parts, v)
		default:
			*top += v
		}
	}
	total := 0.0
	for _, p := range parts {
		total += p
	}
	return total
}
