package jsonata

import (
	"math"
	"strings"
	"time"
)

// Pictures of dates and times: XPath's format-dateTime, https://www.w3.org/TR/xpath-functions-31/#formatting-dates-and-times.

// datePart is a piece of a picture: literal text, or a component with how it is shown.
type datePart struct {
	literal   string
	component byte // 0 for literal text
	names     letterCase
	zulu      bool // an offset of zero is shown as Z
	maxWidth  int  // 0 is no limit
	yearWidth int  // last digits of the year that are shown; 0 is all
	integer   *integerPicture
}

// defaultForms are how components are shown where the picture does not say.
var defaultForms = map[byte]string{
	'Y': "1", 'M': "1", 'D': "1", 'd': "1", 'F': "n", 'W': "1", 'w': "1", 'X': "1",
	'x': "1", 'H': "1", 'h': "1", 'P': "n", 'm': "01", 's': "01", 'f': "1", 'Z': "01:01", 'z': "01:01", 'C': "n", 'E': "n",
}

const isoPicture = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]"

func analyseDate(picture string) ([]datePart, error) {
	if len(picture) > maxPicture {
		return nil, failArg("D3150", 2, picture)
	}
	var parts []datePart
	literal := func(s string) {
		if s != "" {
			parts = append(parts, datePart{literal: strings.ReplaceAll(s, "]]", "]")})
		}
	}
	for {
		before, rest, ok := strings.Cut(picture, "[")
		literal(before)
		if !ok {
			return parts, nil
		}
		if strings.HasPrefix(rest, "[") {
			parts = append(parts, datePart{literal: "["})
			picture = rest[1:]
			continue
		}
		marker, after, ok := strings.Cut(rest, "]")
		if !ok {
			return nil, fail("D3135", undefined)
		}
		part, err := analyseMarker(strings.Join(strings.Fields(marker), ""))
		if err != nil {
			return nil, err
		}
		// Digits right behind digits: the first ones are read by their number, but not, as in the reference, before m, s and f.
		if n := len(parts); n > 0 && strings.IndexByte("YMDdFWwXxHh", part.component) >= 0 && part.integer != nil && parts[n-1].integer != nil {
			parts[n-1].integer.parseWidth = parts[n-1].integer.mandatory
		}
		parts = append(parts, *part)
		picture = after
	}
}

func analyseMarker(marker string) (*datePart, error) {
	if marker == "" {
		return nil, fail("D3132", "")
	}
	p := &datePart{component: marker[0]}
	form, minWidth := marker[1:], 0
	if i := strings.LastIndexByte(marker, ','); i >= 1 {
		form = marker[1:i]
		low, high, _ := strings.Cut(marker[i+1:], "-")
		minWidth, p.maxWidth = widthOf(low), widthOf(high)
	}
	second := byte(0)
	if n := len(form); n > 1 && strings.IndexByte("atco", form[n-1]) >= 0 {
		second, form = form[n-1], form[:n-1]
	}
	if form == "" {
		form = defaultForms[p.component]
	}
	if form == "" {
		r := characters(marker)[0]
		return nil, fail("D3132", r)
	}
	p.zulu = second == 't'
	isZone := p.component == 'Z' || p.component == 'z'
	var err error
	switch {
	case form[0] == 'n':
		p.names = caseLower
	case form[0] == 'N' && strings.HasPrefix(form[1:], "n"):
		p.names = caseTitle
	case form[0] == 'N':
		p.names = caseUpper
	case strings.IndexByte("YMDdFWwXxHhmsf", p.component) >= 0:
		if second != 0 {
			form += ";" + string(second)
		}
		if p.integer, err = analyseInteger(form); err != nil {
			return nil, err
		}
		p.integer.mandatory = max(p.integer.mandatory, minWidth)
		if p.component == 'Y' {
			if p.maxWidth > 0 {
				p.yearWidth = p.maxWidth
				p.integer.mandatory = p.maxWidth
			} else if w := p.integer.mandatory + p.integer.optional; w >= 2 {
				p.yearWidth = w
			}
		}
	case !isZone && strings.IndexByte("PCE", p.component) < 0:
		return nil, fail("D3132", characters(marker)[0])
	}
	if isZone {
		p.integer, err = analyseInteger(form)
	}
	return p, err
}

// widthOf reads a width of 1 to 1000; * and nonsense are none.
func widthOf(s string) int {
	f := leadingInteger(s)
	if f >= 1 && f <= 1000 {
		return int(f)
	}
	return 0
}

// formatDate writes a time, in milliseconds since 1970, by a picture, in a time zone given as ±hhmm.
func (ev *evaluator) formatDate(millis float64, picture, zone any) (any, error) {
	layout, ok := text(picture)
	if !ok {
		layout = isoPicture
	}
	if err := ev.spend(len(layout)); err != nil {
		return nil, err
	}
	hours, minutes := 0, 0
	if z, ok := text(zone); ok {
		offset := leadingInteger(z)
		if math.IsNaN(offset) || math.Abs(offset) > 10000 {
			return nil, failArg("D3150", 3, z)
		}
		hours, minutes = int(math.Floor(offset/100)), int(offset)%100
	}
	parts, err := analyseDate(layout)
	if err != nil {
		return nil, err
	}
	const mostMillis = 8.64e15 // what JavaScript's dates reach
	if math.IsNaN(millis) || math.Abs(millis) > mostMillis {
		return nil, failArg("D3150", 1, millis)
	}
	t := time.UnixMilli(int64(millis) + int64(60*hours+minutes)*60_000).UTC()
	var b strings.Builder
	for i := range parts {
		if parts[i].component == 0 {
			b.WriteString(parts[i].literal)
			continue
		}
		s, err := parts[i].format(ev, t, hours, minutes)
		if err != nil {
			return nil, err
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

func (p *datePart) format(ev *evaluator, t time.Time, hours, minutes int) (string, error) {
	switch p.component {
	case 'Z', 'z':
		return p.formatZone(ev, hours, minutes)
	case 'P':
		s := "am"
		if t.Hour() >= 12 {
			s = "pm"
		}
		if p.names == caseUpper {
			s = strings.ToUpper(s)
		}
		return s, nil
	case 'C', 'E':
		return "ISO", nil
	}
	v := component(t, p.component)
	if p.component == 'Y' && p.yearWidth > 0 {
		v %= int(math.Pow10(min(p.yearWidth, 9)))
	}
	if p.names == 0 {
		return p.integer.format(ev, float64(v))
	}
	var name string
	switch p.component {
	case 'M', 'x':
		name = time.Month(v).String()
	case 'F':
		name = time.Weekday(v % 7).String()
	default:
		return "", fail("D3133", string(p.component))
	}
	switch p.names {
	case caseUpper:
		name = strings.ToUpper(name)
	case caseLower:
		name = strings.ToLower(name)
	}
	if p.maxWidth > 0 && len(name) > p.maxWidth {
		name = name[:p.maxWidth]
	}
	return name, nil
}

func (p *datePart) formatZone(ev *evaluator, hours, minutes int) (string, error) {
	offset := hours*100 + minutes
	var s string
	var err error
	switch n := p.integer.mandatory; {
	case p.integer.regular > 0 || n == 3 || n == 4:
		s, err = p.integer.format(ev, float64(offset))
	case n == 1 || n == 2:
		if s, err = p.integer.format(ev, float64(hours)); err == nil && minutes != 0 {
			two := &integerPicture{form: 'd', zero: '0', mandatory: 2}
			var m string
			m, err = two.format(ev, float64(minutes))
			s += ":" + m
		}
	default:
		return "", fail("D3134", float64(n))
	}
	if err != nil {
		return "", err
	}
	if offset >= 0 {
		s = "+" + s
	}
	if p.component == 'z' {
		s = "GMT" + s
	}
	if offset == 0 && p.zulu {
		s = "Z"
	}
	return s, nil
}

// component reads a component of a time; weeks are those of ISO 8601, also within months.
func component(t time.Time, c byte) int {
	switch c {
	case 'Y':
		return t.Year()
	case 'M':
		return int(t.Month())
	case 'D':
		return t.Day()
	case 'd':
		return t.YearDay()
	case 'F':
		return (int(t.Weekday())+6)%7 + 1
	case 'W':
		_, w := t.ISOWeek()
		return w
	case 'X':
		y, _ := t.ISOWeek()
		return y
	case 'w':
		// The week belongs to the month that holds its Thursday.
		return (thursday(t).Day()-1)/7 + 1
	case 'x':
		return int(thursday(t).Month())
	case 'H':
		return t.Hour()
	case 'h':
		return (t.Hour()+11)%12 + 1
	case 'P':
		return t.Hour() / 12
	case 'm':
		return t.Minute()
	case 's':
		return t.Second()
	case 'f':
		return t.Nanosecond() / 1e6
	}
	return 0
}

// thursday is the Thursday of a day's week.
func thursday(t time.Time) time.Time {
	return t.AddDate(0, 0, 3-(int(t.Weekday())+6)%7)
}

func fnNow(ev *evaluator, args []any) (any, error) {
	return ev.formatDate(float64(ev.Now.UnixMilli()), args[0], args[1])
}

func fnMillis(ev *evaluator, _ []any) (any, error) { return float64(ev.Now.UnixMilli()), nil }

func fnFromMillis(ev *evaluator, args []any) (any, error) {
	return numeric(args[0], func(f float64) (any, error) { return ev.formatDate(f, args[1], args[2]) })
}
