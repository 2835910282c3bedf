package jsonata

import (
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

func fnToMillis(ev *evaluator, args []any) (any, error) {
	s, ok := text(args[0])
	if !ok {
		return undefined, nil
	}
	picture, ok := text(args[1])
	if !ok {
		return parseISO(s)
	}
	if err := ev.spend(8*len(picture) + len(s)); err != nil {
		return nil, err
	}
	return ev.parseDate(s, picture)
}

// isoDate is what $toMillis takes without a picture: a date, or a year or month, and perhaps a time and an offset.
var isoDate = regexp.MustCompile(`^(\d{4})(?:-([01]\d))?(?:-([0-3]\d))?(?:T([0-2]\d):([0-5]\d):([0-5]\d)(?:\.(\d+))?)?(?:Z|([+-])([0-2]\d):?([0-5]\d))?$`)

func parseISO(s string) (any, error) {
	m := isoDate.FindStringSubmatch(s)
	if m == nil {
		return nil, failArg("D3110", 1, s)
	}
	field := func(i, missing int) int {
		if m[i] == "" {
			return missing
		}
		n, _ := strconv.Atoi(m[i])
		return n
	}
	month, day, hour := field(2, 1), field(3, 1), field(4, 0)
	midnight := hour == 24 && field(5, 0) == 0 && field(6, 0) == 0
	if month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 && !midnight {
		return nil, failArg("D3110", 1, s)
	}
	t := time.Date(field(1, 0), time.Month(month), day, hour, field(5, 0), field(6, 0), 0, time.UTC)
	millis := t.UnixMilli()
	if m[7] != "" {
		f, _ := strconv.Atoi((m[7] + "00")[:3])
		millis += int64(f)
	}
	offset := int64(field(9, 0)*60+field(10, 0)) * 60_000
	if m[8] == "-" {
		offset = -offset
	}
	return float64(millis - offset), nil
}

// reader is how a part of a picture reads: by a regular expression, and a function for its value.
type reader struct {
	expression string
	value      func(string) (float64, error)
}

// wordPattern matches English number words.
var wordPattern = func() string {
	words := slices.Sorted(maps.Keys(wordValues))
	slices.SortStableFunc(words, func(a, b string) int { return len(b) - len(a) })
	return "(?:" + strings.Join(words, "|") + "|and|[-, ])+"
}()

func (p *datePart) reader() (*reader, error) {
	switch {
	case p.component == 0:
		return &reader{expression: regexp.QuoteMeta(p.literal)}, nil
	case p.component == 'Z' || p.component == 'z':
		return p.zoneReader(), nil
	case p.integer != nil:
		return p.integer.reader()
	}
	values := map[string]float64{}
	name := func(s string, v int) {
		if p.maxWidth > 0 && len(s) > p.maxWidth {
			s = s[:p.maxWidth]
		}
		values[s] = float64(v)
	}
	switch p.component {
	case 'M', 'x':
		for m := time.January; m <= time.December; m++ {
			name(m.String(), int(m))
		}
	case 'F':
		for d := 1; d <= 7; d++ {
			name(time.Weekday(d%7).String(), d)
		}
	case 'P':
		values = map[string]float64{"am": 0, "AM": 0, "pm": 1, "PM": 1}
	default:
		return nil, fail("D3133", string(p.component))
	}
	return &reader{"[a-zA-Z]+", func(s string) (float64, error) {
		if v, ok := values[s]; ok {
			return v, nil
		}
		return math.NaN(), nil
	}}, nil
}

func (p *integerPicture) reader() (*reader, error) {
	r := &reader{value: p.parse}
	switch p.form {
	case 'a':
		r.expression = "[A-Za-z]+"
	case 'i':
		r.expression = "[MDCLXVI]+"
	case 'w':
		r.expression = wordPattern
	case 's':
		return nil, fail("D3130", p.token)
	default:
		r.expression = "[0-9]+"
		if p.parseWidth > 0 {
			r.expression = "[0-9]{" + strconv.Itoa(min(p.parseWidth, 1000)) + "}"
		}
		if p.ordinal {
			r.expression += "(?:th|st|nd|rd)"
		}
	}
	return r, nil
}

func (p *datePart) zoneReader() *reader {
	r := &reader{expression: "[-+][0-9]+"}
	between := ""
	if p.integer.regular > 0 {
		between = p.integer.separators[0].text
		r.expression += regexp.QuoteMeta(between) + "[0-9]+"
	}
	if p.component == 'z' {
		r.expression = "GMT" + r.expression
	}
	r.value = func(s string) (float64, error) {
		if p.component == 'z' {
			s = s[len("GMT"):]
		}
		hours, minutes := s, "0"
		if between != "" {
			hours, minutes, _ = strings.Cut(s, between)
		} else if len(s) > 3 {
			hours, minutes = s[:3], s[3:]
		}
		return leadingInteger(hours)*60 + leadingInteger(minutes), nil
	}
	return r
}

// parseDate reads a time by a picture; what does not match gives nothing.
func (ev *evaluator) parseDate(s, picture string) (any, error) {
	parts, err := analyseDate(picture)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	b.WriteString("(?i)^")
	readers := make([]*reader, len(parts))
	for i := range parts {
		if readers[i], err = parts[i].reader(); err != nil {
			return nil, err
		}
		b.WriteString("(" + readers[i].expression + ")")
	}
	re, err := regexp.Compile(b.String() + "$")
	if err != nil {
		return nil, failArg("D3150", 2, picture)
	}
	m := re.FindStringSubmatch(s)
	if m == nil {
		return undefined, nil
	}
	found := map[byte]float64{}
	for i, r := range readers {
		if r.value == nil {
			continue
		}
		v, err := r.value(m[i+1])
		if err != nil {
			return nil, err
		}
		if !math.IsNaN(v) {
			found[parts[i].component] = v
		}
	}
	if len(found) == 0 {
		return undefined, nil
	}
	return ev.assemble(found)
}

// within tells that some of the given components were found, and of those at stake no others.
func within(found map[byte]float64, atStake, given string) bool {
	some := false
	for i := range len(atStake) {
		if found[atStake[i]] == 0 {
			continue
		}
		if strings.IndexByte(given, atStake[i]) < 0 {
			return false
		}
		some = true
	}
	return some
}

// assemble makes a time of components. Missing ones before the first that was found are those of now, missing ones behind
// the last are the lowest; none may be missing between.
func (ev *evaluator) assemble(found map[byte]float64) (any, error) {
	const dates, times = "YXMxWwdD", "PHhmsf"
	byMonth := within(found, dates, "YMD")
	byDay := !byMonth && within(found, dates, "Yd")
	if !byMonth && !byDay && (within(found, dates, "Xxw") || within(found, dates, "XW")) {
		return nil, fail("D3136", undefined)
	}
	twelve := !within(found, times, "Hmsf") && within(found, times, "Phmsf")
	order := "YMD"
	if byDay {
		order = "Yd"
	}
	if twelve {
		order += "Phmsf"
	} else {
		order += "Hmsf"
	}
	started, ended := false, false
	for i := range len(order) {
		c := order[i]
		if _, ok := found[c]; ok {
			if ended {
				return nil, fail("D3136", undefined)
			}
			started = true
			continue
		}
		if !started {
			found[c] = float64(component(ev.Now.UTC(), c))
			continue
		}
		ended = true
		found[c] = 0
		if strings.IndexByte("MDd", c) >= 0 {
			found[c] = 1
		}
	}
	month := max(1, found['M'])
	day := found['D']
	if byDay {
		month, day = 1, found['d']
	}
	hour := found['H']
	if twelve {
		hour = math.Mod(found['h'], 12) + 12*found['P']
		if found['h'] > 12 {
			hour = found['h'] + 12*found['P']
		}
	}
	year := found['Y']
	if year >= 0 && year <= 99 { // as JavaScript's Date.UTC
		year += 1900
	}
	for _, v := range [...]float64{year, month, day, hour, found['m'], found['s'], found['f']} {
		if math.Abs(v) > 1e9 {
			return nil, failArg("D3150", 1, v)
		}
	}
	if year > 275_760 || month > 1e6 {
		return nil, failArg("D3150", 1, year)
	}
	t := time.Date(int(year), time.Month(int(month)), int(day), int(hour), int(found['m']), int(found['s']), 0, time.UTC)
	zone := found['Z']
	if zone == 0 {
		zone = found['z']
	}
	return float64(t.UnixMilli()) + found['f'] - zone*60_000, nil
}
