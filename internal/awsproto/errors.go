package awsproto

import (
	"errors"
	"net/http"
	"reflect"

	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"

	"github.com/tealdeploy/teal/internal/fault"
)

// internalMessage is all that a caller learns of a failure that is not an AWS error.
const internalMessage = "The request processing has failed because of an unknown error, exception or failure."

// wireError is an error ready to be written in any protocol.
type wireError struct {
	code      string // the exception's shape name
	id        string // its absolute shape ID where the schema tells, else code
	queryCode string // its code in the Query protocol
	message   string
	status    int
	server    bool

	plan    *plan         // of the modelled exception; nil when there is none
	value   reflect.Value // the exception's struct
	only    []bool        // members that the body has; nil means all
	members map[string]any
}

// apiError is what the SDK's exceptions and [fault.Error] have in common.
type apiError interface {
	error
	ErrorCode() string
	ErrorMessage() string
}

// wireErrorOf translates a handler's error. ok is false when it is no AWS error: the caller logs it then, and what is
// returned says nothing about it.
func (s *Service) wireErrorOf(err error) (_ wireError, ok bool) {
	var f *fault.Error
	if errors.As(err, &f) {
		status := f.HTTPStatus()
		return wireError{
			code: f.Code, id: f.Code, queryCode: f.Code, message: f.Message, status: status,
			server: f.Server || status >= 500, members: f.Members,
		}, true
	}
	var api apiError
	if !errors.As(err, &api) || api.ErrorCode() == "" {
		return wireError{
			code: "InternalFailure", id: "InternalFailure", queryCode: "InternalFailure",
			message: internalMessage, status: http.StatusInternalServerError, server: true,
		}, false
	}
	we := wireError{code: api.ErrorCode(), message: api.ErrorMessage(), status: http.StatusBadRequest}
	we.id, we.queryCode = we.code, we.code
	if flt, ok := api.(interface{ ErrorFault() smithy.ErrorFault }); ok && flt.ErrorFault() == smithy.FaultServer {
		we.server, we.status = true, http.StatusInternalServerError
	}
	v := reflect.ValueOf(api)
	modelled := v.Kind() == reflect.Pointer && !v.IsNil() && v.Elem().Kind() == reflect.Struct &&
		v.Type() != reflect.TypeFor[*smithy.GenericAPIError]()
	if modelled && s != nil {
		if p, err := s.codec.plan(v.Type().Elem()); err == nil && p.kind == kindStruct {
			we.plan, we.value = p, v.Elem()
			we.readSchema(p.schema)
		} else if err != nil { // it has a message that its schema does not know, as an exception without members
			we.readSchema(schemaOf(v.Type().Elem()))
		}
	}
	if s != nil {
		if status, listed := s.Statuses[we.code]; listed {
			we.status = status
			we.server = status >= 500
		}
	}
	return we, true
}

func (we *wireError) readSchema(schema *smithy.Schema) {
	if schema == nil {
		return
	}
	if schema.ID().Name == we.code {
		we.id = schema.ID().String()
	}
	if h, ok := smithy.SchemaTrait[*traits.HTTPError](schema); ok && h.Code != 0 {
		we.status = h.Code
	}
	if q, ok := smithy.SchemaTrait[*traits.AWSQueryError](schema); ok {
		if q.ErrorCode != "" {
			we.queryCode = q.ErrorCode
		}
		if q.StatusCode != 0 {
			we.status = q.StatusCode
		}
	}
}

// sender is the word of the Query protocol for whose fault it is.
func (we *wireError) sender() string {
	if we.server {
		return "Receiver"
	}
	return "Sender"
}

// messageless drops the message's own member from those of the exception, for XML, where it has a fixed place.
func (we *wireError) messageless() []bool {
	only := make([]bool, len(we.plan.fields))
	for i := range we.plan.fields {
		only[i] = we.plan.fields[i].name != "Message"
	}
	return only
}

// unknownOperation refuses an operation by name.
func unknownOperation(status int, message string) error {
	return &fault.Error{Code: "UnknownOperationException", Message: message, Status: status}
}
