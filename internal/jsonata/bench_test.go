package jsonata

import (
	"testing"

	"github.com/tealdeploy/teal/internal/jsonpath/jsonvalue"
)

// The document that the recorded random expressions use, in short.
const orders = `{"status":"OK","customer":{"id":42,"address":{"city":"Paris","zip":"75001"}},"items":[
	{"sku":"A","qty":2,"price":10.5,"tags":["x","y"]},{"sku":"B","qty":1,"price":20,"tags":[]},
	{"sku":"C","qty":7,"price":0.5,"tags":["y"]},{"sku":"D","price":3,"tags":"solo"}]}`

func benchmark(b *testing.B, expr string) {
	b.Helper()
	input, err := jsonvalue.ParseString(orders)
	if err != nil {
		b.Fatal(err)
	}
	e, err := Compile(expr)
	if err != nil {
		b.Fatal(err)
	}
	o := Options{Bindings: map[string]any{"states": input}}
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := e.Eval(input, o); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkPath(b *testing.B)   { benchmark(b, `customer.address.city`) }
func BenchmarkStates(b *testing.B) { benchmark(b, `$states.customer.address.city`) }
func BenchmarkFilter(b *testing.B) { benchmark(b, `items[qty > 1].sku`) }
func BenchmarkMap(b *testing.B) {
	benchmark(b, `$map(items, function($v, $i){ $v.sku & ":" & $v.price * 2 })`)
}

func BenchmarkObject(b *testing.B) {
	benchmark(b, `{"id": customer.id, "total": $sum(items.(price * qty)), "ok": status = "OK"}`)
}

func BenchmarkCompile(b *testing.B) {
	for b.Loop() {
		if _, err := Compile(`{"id": customer.id, "total": $sum(items.(price * qty)), "ok": status = "OK"}`); err != nil {
			b.Fatal(err)
		}
	}
}
