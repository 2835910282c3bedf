package states

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/smithy-go/middleware"
)

// shape is what the model of an API says about a value, as far as a mocked result is held against it.
type shape struct {
	want     string // as messages call it: "a string", "a number", "a boolean", "an array", "an object"; "" is anything
	members  map[string]*shape
	required []string
	elem     *shape // of an array or a map
	enum     []string
	min, max float64 // of a number, when max > 0
	length   int     // the least of a string
}

var (
	anything  = &shape{}
	aString   = &shape{want: "a string"}
	aNumber   = &shape{want: "a number"}
	aBoolean  = &shape{want: "a boolean"}
	listOfAny = func(elem *shape) *shape { return &shape{want: "an array", elem: elem} }
	object    = func(members map[string]*shape, required ...string) *shape {
		return &shape{want: "an object", members: members, required: required}
	}
)

// mockShapes are the results of integrations by what stands after "arn:aws:states:::" without a pattern. What is not
// here is not held against a model.
var mockShapes = sync.OnceValue(func() map[string]*shape {
	known := map[string]*shape{
		"lambda:invoke": object(map[string]*shape{
			"ExecutedVersion": aString, "FunctionError": aString, "LogResult": aString, "Payload": anything, "StatusCode": aNumber,
		}),
		"states:startExecution": object(map[string]*shape{"ExecutionArn": aString, "StartDate": aString}, "ExecutionArn", "StartDate"),
		"events:putEvents": object(map[string]*shape{
			"FailedEntryCount": aNumber,
			"Entries":          listOfAny(object(map[string]*shape{"EventId": aString, "ErrorCode": aString, "ErrorMessage": aString})),
		}),
		"sqs:sendMessage": object(map[string]*shape{
			"MD5OfMessageAttributes": aString, "MD5OfMessageBody": aString, "MD5OfMessageSystemAttributes": aString, "MessageId": aString, "SequenceNumber": aString,
		}),
		"sns:publish":         object(map[string]*shape{"MessageId": aString, "SequenceNumber": aString}),
		"aws-sdk:kms:encrypt": object(map[string]*shape{"CiphertextBlob": {want: "a string", length: 1}, "EncryptionAlgorithm": aString, "KeyId": aString}),
		"aws-sdk:kms:decrypt": object(map[string]*shape{"Plaintext": {want: "a string", length: 1}, "EncryptionAlgorithm": aString, "KeyId": aString}),
	}
	capacity := map[string]*shape{"CapacityUnits": aNumber, "ReadCapacityUnits": aNumber, "WriteCapacityUnits": aNumber}
	used := object(maps.Clone(capacity))
	used.members["TableName"], used.members["Table"] = aString, object(capacity)
	for _, index := range []string{"GlobalSecondaryIndexes", "LocalSecondaryIndexes"} {
		used.members[index] = &shape{want: "an object", elem: object(capacity)}
	}
	item := &shape{want: "an object", elem: anything}
	for action, member := range map[string]string{"getItem": "Item", "putItem": "Attributes", "updateItem": "Attributes", "deleteItem": "Attributes"} {
		r := object(map[string]*shape{member: item, "ConsumedCapacity": used})
		known["dynamodb:"+action], known["aws-sdk:dynamodb:"+action] = r, r
	}
	for name, out := range sdkOutputs {
		known[name] = shapeOf(out, map[reflect.Type]*shape{})
		known[name].required = requiredOutputs[name]
	}
	return known
})

// sdkOutputs are the outputs of SDK integrations whose models are at hand.
var sdkOutputs = map[string]reflect.Type{
	"aws-sdk:lambda:createAlias":              reflect.TypeFor[lambda.CreateAliasOutput](),
	"aws-sdk:lambda:createFunction":           reflect.TypeFor[lambda.CreateFunctionOutput](),
	"aws-sdk:lambda:getAlias":                 reflect.TypeFor[lambda.GetAliasOutput](),
	"aws-sdk:lambda:getFunction":              reflect.TypeFor[lambda.GetFunctionOutput](),
	"aws-sdk:lambda:getFunctionConfiguration": reflect.TypeFor[lambda.GetFunctionConfigurationOutput](),
	"aws-sdk:lambda:invoke":                   reflect.TypeFor[lambda.InvokeOutput](),
	"aws-sdk:lambda:listFunctions":            reflect.TypeFor[lambda.ListFunctionsOutput](),
	"aws-sdk:lambda:publishVersion":           reflect.TypeFor[lambda.PublishVersionOutput](),
	"aws-sdk:lambda:updateAlias":              reflect.TypeFor[lambda.UpdateAliasOutput](),
	"aws-sdk:lambda:updateFunctionCode":       reflect.TypeFor[lambda.UpdateFunctionCodeOutput](),
	"aws-sdk:s3:copyObject":                   reflect.TypeFor[s3.CopyObjectOutput](),
	"aws-sdk:s3:deleteObject":                 reflect.TypeFor[s3.DeleteObjectOutput](),
	"aws-sdk:s3:getObject":                    reflect.TypeFor[s3.GetObjectOutput](),
	"aws-sdk:s3:headObject":                   reflect.TypeFor[s3.HeadObjectOutput](),
	"aws-sdk:s3:listBuckets":                  reflect.TypeFor[s3.ListBucketsOutput](),
	"aws-sdk:s3:listObjectsV2":                reflect.TypeFor[s3.ListObjectsV2Output](),
	"aws-sdk:s3:putObject":                    reflect.TypeFor[s3.PutObjectOutput](),
	"aws-sdk:sfn:describeExecution":           reflect.TypeFor[sfn.DescribeExecutionOutput](),
	"aws-sdk:sfn:describeStateMachine":        reflect.TypeFor[sfn.DescribeStateMachineOutput](),
	"aws-sdk:sfn:getExecutionHistory":         reflect.TypeFor[sfn.GetExecutionHistoryOutput](),
	"aws-sdk:sfn:listExecutions":              reflect.TypeFor[sfn.ListExecutionsOutput](),
	"aws-sdk:sfn:publishStateMachineVersion":  reflect.TypeFor[sfn.PublishStateMachineVersionOutput](),
	"aws-sdk:sfn:startExecution":              reflect.TypeFor[sfn.StartExecutionOutput](),
	"aws-sdk:sfn:startSyncExecution":          reflect.TypeFor[sfn.StartSyncExecutionOutput](),
	"aws-sdk:sfn:stopExecution":               reflect.TypeFor[sfn.StopExecutionOutput](),
	"aws-sdk:sfn:updateStateMachineAlias":     reflect.TypeFor[sfn.UpdateStateMachineAliasOutput](),
}

// requiredOutputs are the members that the models call required.
var requiredOutputs = map[string][]string{
	"aws-sdk:sfn:describeExecution":          {"ExecutionArn", "StartDate", "StateMachineArn", "Status"},
	"aws-sdk:sfn:describeStateMachine":       {"CreationDate", "Definition", "Name", "RoleArn", "StateMachineArn", "Type"},
	"aws-sdk:sfn:getExecutionHistory":        {"Events"},
	"aws-sdk:sfn:listExecutions":             {"Executions"},
	"aws-sdk:sfn:publishStateMachineVersion": {"CreationDate", "StateMachineVersionArn"},
	"aws-sdk:sfn:startExecution":             {"ExecutionArn", "StartDate"},
	"aws-sdk:sfn:startSyncExecution":         {"ExecutionArn", "StartDate", "Status", "StopDate"},
	"aws-sdk:sfn:stopExecution":              {"StopDate"},
	"aws-sdk:sfn:updateStateMachineAlias":    {"UpdateDate"},
}

// ranges are the bounds of numbers that the SDK's types do not tell, by the member's name.
var ranges = map[string][2]float64{"MemorySize": {128, 10240}, "Timeout": {1, 900}}

// shapeOf reads a shape off an SDK type.
func shapeOf(t reflect.Type, seen map[reflect.Type]*shape) *shape {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t == reflect.TypeFor[time.Time]() || t == reflect.TypeFor[[]byte]() || t.Implements(reflect.TypeFor[io.Reader]()) {
		return aString
	}
	switch t.Kind() {
	case reflect.String:
		return &shape{want: "a string", enum: valuesOf(t)}
	case reflect.Bool:
		return aBoolean
	case reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		return aNumber
	case reflect.Slice:
		return listOfAny(shapeOf(t.Elem(), seen))
	case reflect.Map:
		return &shape{want: "an object", elem: shapeOf(t.Elem(), seen)}
	case reflect.Struct:
	default:
		return anything
	}
	if s := seen[t]; s != nil {
		return s
	}
	s := object(map[string]*shape{})
	seen[t] = s
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Type == reflect.TypeFor[middleware.Metadata]() {
			continue
		}
		m := shapeOf(f.Type, seen)
		if r, ok := ranges[f.Name]; ok && m == aNumber {
			m = &shape{want: "a number", min: r[0], max: r[1]}
		}
		s.members[f.Name] = m
	}
	return s
}

// valuesOf asks an enum type of the SDK for its values.
func valuesOf(t reflect.Type) []string {
	m, ok := t.MethodByName("Values")
	if !ok || m.Type.NumIn() != 1 || m.Type.NumOut() != 1 {
		return nil
	}
	all := m.Func.Call([]reflect.Value{reflect.Zero(t)})[0]
	values := make([]string, all.Len())
	for i := range values {
		values[i] = all.Index(i).String()
	}
	return values
}

// checkMock holds a mocked result against the model of the API that a resource calls; strict demands the required
// members. The error is AWS's.
func checkMock(resource, result string, strict bool) error {
	name, ok := strings.CutPrefix(resource, "arn:aws:states:::")
	if !ok {
		return nil
	}
	s := mockShapes()[name]
	if s == nil {
		return nil
	}
	var v any
	if err := json.Unmarshal([]byte(result), &v); err != nil {
		return nil //nolint:nilerr // told elsewhere
	}
	if why := s.violation("", v, strict); why != "" {
		return invalid("Mock result schema validation error: %s", why)
	}
	return nil
}

// violation says what is wrong with a value, or nothing.
func (s *shape) violation(field string, v any, strict bool) string {
	if v == nil || s.want == "" {
		return ""
	}
	fits := false
	switch v := v.(type) {
	case string:
		fits = s.want == aString.want
		switch {
		case !fits:
		case len(s.enum) > 0 && !slices.Contains(s.enum, v):
			return fmt.Sprintf("Field '%s' is not an expected value", field)
		case len(v) < s.length:
			return fmt.Sprintf("Field '%s' is smaller than the minimum length", field)
		}
	case float64:
		fits = s.want == aNumber.want
		switch {
		case !fits || s.max == 0:
		case v < s.min:
			return fmt.Sprintf("Field '%s' is less than the minimum value", field)
		case v > s.max:
			return fmt.Sprintf("Field '%s' exceeds the maximum value", field)
		}
	case bool:
		fits = s.want == aBoolean.want
	case []any:
		if fits = s.want == "an array"; fits {
			for _, one := range v {
				if why := s.elem.violation(field, one, strict); why != "" {
					return why
				}
			}
		}
	case map[string]any:
		if fits = s.want == "an object"; fits {
			return s.membersViolated(v, strict)
		}
	}
	if !fits {
		return fmt.Sprintf("Field '%s' must be %s", field, s.want)
	}
	return ""
}

func (s *shape) membersViolated(v map[string]any, strict bool) string {
	for _, name := range s.required {
		if _, ok := v[name]; strict && !ok {
			return fmt.Sprintf("Required field '%s' is missing", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v)) {
		m := s.members[name]
		if m == nil {
			m = s.elem
		}
		if m == nil {
			continue
		}
		if why := m.violation(name, v[name], strict); why != "" {
			return why
		}
	}
	return ""
}
