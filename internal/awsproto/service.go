package awsproto

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"sync"

	"github.com/aws/smithy-go"
)

// Protocol is one of AWS's wire protocols.
type Protocol uint8

// The protocols that are spoken.
const (
	AWSJSON10 Protocol = 1 + iota // POST / with X-Amz-Target, application/x-amz-json-1.0
	AWSJSON11                     // POST / with X-Amz-Target, application/x-amz-json-1.1
	RESTJSON                      // method and path choose the operation, JSON bodies
	AWSQuery                      // a form with Action and Version, XML answers
	RPCV2CBOR                     // POST /service/{Target}/operation/{name}
	RESTXML                       // method, path, query and headers choose the operation, XML or raw bodies
)

func (p Protocol) String() string {
	switch p {
	case AWSJSON10:
		return "awsJson1_0"
	case AWSJSON11:
		return "awsJson1_1"
	case RESTJSON:
		return "restJson1"
	case AWSQuery:
		return "awsQuery"
	case RPCV2CBOR:
		return "rpcv2Cbor"
	case RESTXML:
		return "restXml"
	}
	return "unknown"
}

// Naming says how a Go member name becomes a wire name in a module without schemas.
type Naming uint8

// The SDK's Go names are the wire names with a capital first letter.
const (
	Capitals   Naming = iota // FunctionName stays FunctionName: lambda, cloudwatch, sts
	LowerCamel               // StateMachineArn becomes stateMachineArn: sfn, apigatewayv2
)

// TimeFormat is how a timestamp is written where the model does not say otherwise.
type TimeFormat uint8

// The formats of Smithy's timestampFormat trait.
const (
	EpochSeconds TimeFormat = iota // 1700000000.123
	DateTime                       // 2023-11-14T22:13:20.123Z
	HTTPDate                       // Tue, 14 Nov 2023 22:13:20 GMT
)

// Service is the table of one AWS service. Fill it, hand it to [NewMux], and leave it alone afterwards.
type Service struct {
	Name       string   // as in the SDK's endpoints, for messages: "lambda", "states", "sts", "monitoring"
	Scopes     []string // service names in SigV4 credential scopes; nil means Name alone
	Target     string   // prefix of X-Amz-Target and service in RPC paths: "AWSStepFunctions"; "" for none
	APIVersion string   // Version of the Query protocol and XML: "2011-06-15"
	Namespace  string   // XML namespace: "https://sts.amazonaws.com/doc/2011-06-15/"
	// URLMember is the parameter that the address of a request stands for in the Query protocol when it is not given: a
	// client may post what it wants of a queue to the queue's own URL. "" for none.
	URLMember string
	Protocols []Protocol
	Naming    Naming
	// BodyTime is the format of timestamps in JSON bodies where no schema says otherwise. apigatewayv2 has [DateTime].
	BodyTime TimeFormat
	// Names lists wire names that the naming does not give, by "GoType.GoField": {"Thing.URL": "url"}.
	Names map[string]string
	// Unions holds a pointer to a zero value of each union variant (types.XMemberY) that the operations use.
	Unions []any
	// Statuses gives the HTTP status of a modelled exception by its code, for modules without schemas.
	// What is not listed is 400, or 500 when the exception says that the server is at fault.
	Statuses map[string]int
	// Lists gives the element name of the items of a list in REST-XML, by "GoType.GoField"; "" means that the items
	// stand in the parent itself, each under the member's own name. What is not listed has "member".
	Lists map[string]string
	// VirtualHost reads a Host header of a REST-XML service: ok tells that it is one of the service's, and label is the
	// first segment of the path that it stands for ("" for none). signed tells that the request's credential names the
	// service already. nil means that the service has no hosts of its own.
	VirtualHost func(host string, signed bool) (label string, ok bool)
	// WrappedErrors puts the errors of a REST-XML service into an ErrorResponse, as all services but S3 do.
	WrappedErrors bool
	// MaxBody is the largest request body in bytes, streams of REST-XML left out; 0 means [Config.MaxBody].
	MaxBody    int64
	Operations []Operation

	once   sync.Once // of ready
	fault  error     // of ready
	codec  *codec
	byName map[string]*operation
	routes *router
	maxLen int64
}

// Operation is one line of a service's table. Make it with [Op] or [Raw].
type Operation struct{ op *operation }

// Name returns the operation's name, such as CreateAlias.
func (o Operation) Name() string { return o.op.name }

type operation struct {
	name    string
	in, out reflect.Type // struct types; nil for a raw operation
	newIn   func() any   // pointer to a new input
	call    func(ctx context.Context, in any) (any, error)
	raw     http.HandlerFunc
	http    *httpBinding // nil when the operation has no REST route
	root    string       // element of a REST-XML answer
	header  string       // that a REST-XML request must have
	refused bool         // known by name only

	svc  *Service
	rest *restPlan // nil without a route; but for the path, ready makes it

	once            sync.Once // of ready
	fault           error     // of ready
	inPlan, outPlan *plan
}

// Op makes an operation of a handler over the SDK's types. Its name is the input type's name without "Input".
// A service with REST-JSON needs [Schema] or [HTTP] among the options.
func Op[I, O any](handler func(context.Context, *I) (*O, error), opts ...Option) Operation {
	op := &operation{
		in: reflect.TypeFor[I](), out: reflect.TypeFor[O](),
		newIn: func() any { return new(I) },
		call: func(ctx context.Context, in any) (any, error) {
			out, err := handler(ctx, in.(*I))
			if err != nil {
				return nil, err
			}
			if out == nil {
				out = new(O)
			}
			return out, nil
		},
	}
	op.name = strings.TrimSuffix(op.in.Name(), "Input")
	for _, o := range opts {
		o.apply(op)
	}
	return Operation{op}
}

// Raw makes an operation that reads the request and writes the answer itself, for paths that must be fast or that
// stream. Path labels come through [Call.Label]; the answer's X-Amzn-Requestid header is already set, and
// the body is bounded. Errors are written with [Service.WriteError]. Only REST-JSON reaches a raw operation.
func Raw(name string, binding Option, handler http.HandlerFunc) Operation {
	op := &operation{name: name, raw: handler}
	binding.apply(op)
	op.name = name
	return Operation{op}
}

// Option refines an operation.
type Option interface{ apply(*operation) }

type optionFunc func(*operation)

func (f optionFunc) apply(op *operation) { f(op) }

// Named gives the operation a name that is not its input type's.
func Named(name string) Option { return optionFunc(func(op *operation) { op.name = name }) }

// Root names the element that a REST-XML operation answers with: ListBucketResult. An output that is one string in
// the payload ([InPayload]) becomes the element's text.
func Root(element string) Option { return optionFunc(func(op *operation) { op.root = element }) }

// WithHeader makes a REST-XML operation the one of its route only for requests that have the header.
func WithHeader(name string) Option { return optionFunc(func(op *operation) { op.header = name }) }

// Refused makes a line of a REST-XML service for an operation that is known and not served: its requests are not taken
// for another operation's, but refused by name with NotImplemented.
func Refused(name, method, path string, opts ...Option) Operation {
	op := &operation{name: name, refused: true, http: &httpBinding{method: method, path: path}}
	for _, o := range opts {
		o.apply(op)
	}
	return Operation{op}
}

// Refused reports whether the operation is in its table only to be refused by name.
func (o Operation) Refused() bool { return o.op.refused }

// Schema takes the HTTP binding from the SDK's schemas: the operation's own (schemas.CreateAlias) for method, path
// and status, and the input and output types' for labels, query parameters, headers and payloads.
func Schema(operationSchema *smithy.Schema) Option {
	return optionFunc(func(op *operation) { op.http = bindingFromSchema(operationSchema) })
}

// HTTP gives the HTTP binding where the SDK module has no schemas. Labels in the path ({ApiId}, greedy {Path+}) bind
// the input's members of the same name, whatever the case of the first letter.
func HTTP(method, path string, status int, members ...Member) Option {
	return optionFunc(func(op *operation) {
		op.http = &httpBinding{method: method, path: path, status: status, members: members}
	})
}

// Member binds one member of the input or output to a place outside the body. Make it with [InQuery], [InHeader],
// [InPayload] or [InStatus].
type Member struct {
	goName, wire string
	place        place
	side         side
}

// side narrows a binding to the input or the output.
type side uint8

const (
	sideBoth side = iota
	sideIn
	sideOut
)

// ForInput narrows a binding to the input, where the output has a member of that name elsewhere.
func (m Member) ForInput() Member { m.side = sideIn; return m }

// ForOutput narrows a binding to the output.
func (m Member) ForOutput() Member { m.side = sideOut; return m }

// InQuery binds an input member to a query parameter; a map member to all parameters that are not bound otherwise.
func InQuery(member, parameter string) Member { return Member{member, parameter, placeQuery, sideIn} }

// InHeader binds a member of the input or output to a header; a map member to all headers with that prefix.
func InHeader(member, header string) Member { return Member{member, header, placeHeader, sideBoth} }

// InPayload binds a member to the whole body.
func InPayload(member string) Member { return Member{member, "", placePayload, sideBoth} }

// InStatus binds an integer member of the output to the HTTP status.
func InStatus(member string) Member { return Member{member, "", placeStatus, sideOut} }

type place uint8

const (
	placeBody place = iota
	placeLabel
	placeQuery
	placeQueryMap
	placeHeader
	placeHeaderMap
	placePayload
	placeStatus
)

type httpBinding struct {
	method, path string
	status       int
	members      []Member
	err          error // why the binding could not be read, told by NewMux
}
