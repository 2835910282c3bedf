package asl

import "strings"

// Diagnostic is one finding about a definition, as ValidateStateMachineDefinition reports it.
//
// https://docs.aws.amazon.com/step-functions/latest/apireference/API_ValidateStateMachineDefinitionDiagnostic.html
type Diagnostic struct {
	Severity string // ERROR or WARNING
	Code     string // such as SCHEMA_VALIDATION_FAILED
	Message  string
	Location string // such as /States/A/Next; may be empty
}

// The severities of diagnostics. Only an error makes a definition unusable.
const (
	SeverityError   = "ERROR"
	SeverityWarning = "WARNING"
)

// The codes of diagnostics. CodeUnsupported is not AWS's: it marks what AWS takes and this platform does not run.
const (
	CodeSchema        = "SCHEMA_VALIDATION_FAILED"
	CodeJSON          = "INVALID_JSON_DESCRIPTION"
	CodeTransition    = "MISSING_TRANSITION_TARGET"
	CodeNoEnd         = "MISSING_END_STATE"
	CodeDuplicateName = "DUPLICATE_STATE_NAME"
	CodeStateName     = "INVALID_STATE_NAME"
	CodeTooDeep       = "TOO_DEEPLY_NESTED"
	CodeUnsupported   = "UNSUPPORTED_FEATURE"
)

// String gives the diagnostic in the form in which CreateStateMachine quotes it.
func (d Diagnostic) String() string {
	s := d.Code + ": " + d.Message
	if d.Location != "" {
		s += " at " + d.Location
	}
	return s
}

// Summary joins the errors among ds into the message of AWS's InvalidDefinition exception; "" when there is none.
func Summary(ds []Diagnostic) string {
	var all []string
	for _, d := range ds {
		if d.Severity == SeverityError {
			all = append(all, d.String())
		}
	}
	if len(all) == 0 {
		return ""
	}
	return "Invalid State Machine Definition: '" + strings.Join(all, ", ") + "'"
}

// HasErrors reports whether a definition with these diagnostics is unusable.
func HasErrors(ds []Diagnostic) bool {
	for _, d := range ds {
		if d.Severity == SeverityError {
			return true
		}
	}
	return false
}
