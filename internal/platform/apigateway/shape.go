package apigateway

import "reflect"

// as makes an O out of the members that from, a struct of the SDK, has under the same name and type: the SDK has the same
// document as input, as output and as a member of lists, each a type of its own. It is not for the way of a request.
func as[O any](from any) *O {
	out := new(O)
	src, dst := reflect.Indirect(reflect.ValueOf(from)), reflect.ValueOf(out).Elem()
	for i := range dst.NumField() {
		f := dst.Type().Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		if v := src.FieldByName(f.Name); v.IsValid() && v.Type() == f.Type {
			dst.Field(i).Set(v)
		}
	}
	return out
}
