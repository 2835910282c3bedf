package awsproto

import (
	"fmt"
	"reflect"
)

// The codecs of [DecodeJSON] and [EncodeJSON], one a naming.
var plainCodecs = [...]*codec{Capitals: {naming: Capitals}, LowerCamel: {naming: LowerCamel}}

func plainPlan(naming Naming, t reflect.Type) (*plan, error) {
	if int(naming) >= len(plainCodecs) {
		return nil, fmt.Errorf("naming %d is not known", naming)
	}
	return plainCodecs[naming].plan(t)
}

// DecodeJSON reads a JSON document, as it travels on the wire, into the SDK type that v points to, such as
// *types.HistoryEvent. Members that the type does not have are skipped. A document that does not fit is a
// SerializationException (*fault.Error); a type with no wire form is an [UnsupportedTypeError].
func DecodeJSON(naming Naming, data []byte, v any) error {
	rv := reflect.ValueOf(v)
	if rv.Kind() != reflect.Pointer || rv.IsNil() {
		return fmt.Errorf("cannot decode JSON into a %T: give a pointer", v)
	}
	p, err := plainPlan(naming, rv.Type().Elem())
	if err != nil {
		return err
	}
	return decodeJSON(p, data, rv.Elem())
}

// EncodeJSON writes an SDK value, or what it points to, as it travels on the wire; nil members are left out.
// The errors are [UnsupportedTypeError] and values with no JSON form.
func EncodeJSON(naming Naming, v any) ([]byte, error) {
	rv := reflect.ValueOf(v)
	if !rv.IsValid() {
		return nil, fmt.Errorf("cannot encode nil as JSON")
	}
	p, err := plainPlan(naming, rv.Type())
	if err != nil {
		return nil, err
	}
	return appendJSON(nil, p, rv, 0)
}
