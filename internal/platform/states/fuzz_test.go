package states

import (
	"encoding/json"
	"testing"
)

// Whatever stands in an object and in a ReaderConfig, what is read of it is a JSON array, or an error.
func FuzzItems(f *testing.F) {
	f.Add(`[1,{"a":2}]`, `{"InputType":"JSON"}`)
	f.Add(`{"a":{"b":[1]}}`, `{"InputType":"JSON","ItemsPointer":"/a/b"}`)
	f.Add(`{"a":{"b":[1]}}`, `{"ItemsPointer":"/a~1b/0"}`)
	f.Add("{\"a\":1}\n\n2", `{"InputType":"JSONL","MaxItems":1}`)
	f.Add("a,b\n\"1\"\"x\",2\n3", `{"InputType":"CSV","CSVHeaderLocation":"FIRST_ROW","CSVDelimiter":"COMMA"}`)
	f.Add("1|2", `{"InputType":"CSV","CSVHeaderLocation":"GIVEN","CSVHeaders":["a"],"CSVDelimiter":"PIPE"}`)
	f.Fuzz(func(t *testing.T, text, config string) {
		items, err := itemsIn(text, "arn:aws:states:::s3:getObject", json.RawMessage(config))
		var list []json.RawMessage
		if err == nil && json.Unmarshal(items, &list) != nil {
			t.Errorf("%s", items)
		}
	})
}
