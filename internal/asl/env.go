package asl

import (
	"encoding/json"
	"errors"
	"math/bits"
	"time"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// Env is what the expressions of a state can see while it runs.
type Env struct {
	Input *Payload
	Scope Scope
	// Random is the source of everything random; its state advances with every draw.
	Random *Random
	// Now is the time of the event under way, for $now and $millis.
	Now time.Time
	// Result and ErrorOutput are those of the state, where Output and Assign can see them; package asl sets them itself.
	Result, ErrorOutput *Payload
	// Trace, if set, is told what each stage of the data flow gives.
	Trace func(Stage, *Payload)
}

// Stage is a stage of a state's data flow, by the name that TestState's inspection data gives it.
type Stage string

// The stages of the data flow.
const (
	AfterInputPath      Stage = "afterInputPath"
	AfterParameters     Stage = "afterParameters"
	AfterArguments      Stage = "afterArguments"
	AfterItemsPath      Stage = "afterItemsPath"
	AfterItemsPointer   Stage = "afterItemsPointer"
	AfterItemSelector   Stage = "afterItemSelector"
	AfterItemBatcher    Stage = "afterItemBatcher"
	AfterResultSelector Stage = "afterResultSelector"
	AfterResultPath     Stage = "afterResultPath"
)

func (e *Env) trace(s Stage, p *Payload) {
	if e.Trace != nil {
		e.Trace(s, p)
	}
}

// Scope is what lies around a state.
type Scope interface {
	// Context makes the context object, $$.
	Context() any
	// Variable finds a workflow variable.
	Variable(name string) (any, bool)
}

// with gives the same environment with another input.
func (e *Env) with(input *Payload) *Env {
	c := *e
	c.Input = input
	return &c
}

// Payload is a JSON text together with the value that it means; each is made of the other when it is first asked for. So a
// text that only passes through keeps its white space, as it does in the service. Not safe for concurrent use.
type Payload struct {
	text   string
	value  any
	parsed bool
}

// NewPayload wraps a text, which must be valid JSON.
func NewPayload(text string) *Payload { return &Payload{text: text} }

// PayloadOf wraps a value.
func PayloadOf(value any) *Payload { return &Payload{value: value, parsed: true} }

// Text returns the JSON text.
func (p *Payload) Text() string {
	if p.text == "" {
		p.text = string(jsonvalue.Marshal(p.value))
	}
	return p.text
}

// Value returns the value.
func (p *Payload) Value() any {
	if !p.parsed {
		p.value, _ = jsonvalue.ParseString(p.text)
		p.parsed = true
	}
	return p.value
}

// MarshalJSON gives the text as a JSON string, for only so does its white space survive.
func (p *Payload) MarshalJSON() ([]byte, error) { return jsonvalue.AppendString(nil, p.Text()), nil }

// UnmarshalJSON takes over what MarshalJSON gave.
func (p *Payload) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	if !json.Valid([]byte(text)) {
		return errors.New("asl: a payload holds no JSON text")
	}
	*p = Payload{text: text}
	return nil
}

var (
	_ json.Marshaler   = (*Payload)(nil)
	_ json.Unmarshaler = (*Payload)(nil)
)

// Random is a small generator (SplitMix64) that is seeded per event, so that a replay draws the same numbers.
//
// Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, OOPSLA 2014.
type Random struct{ state uint64 }

// NewRandom makes a generator.
func NewRandom(seed uint64) *Random { return &Random{state: seed} }

// Uint64 draws 64 bits.
func (r *Random) Uint64() uint64 {
	r.state += 0x9e3779b97f4a7c15
	z := r.state
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// UUID draws a version 4 UUID.
func (r *Random) UUID() string { return uuid(r) }

// Float64 draws from [0, 1).
func (r *Random) Float64() float64 { return float64(r.Uint64()>>11) / (1 << 53) }

// Below draws from 0 to n-1; n must be positive.
func (r *Random) Below(n uint64) uint64 {
	hi, _ := bits.Mul64(r.Uint64(), n)
	return hi
}
