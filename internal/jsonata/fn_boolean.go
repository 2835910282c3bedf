package jsonata

func fnBoolean(ev *evaluator, args []any) (any, error) {
	if isUndefined(args[0]) {
		return undefined, nil
	}
	return ev.truth(args[0], 0)
}

func fnNot(ev *evaluator, args []any) (any, error) {
	if isUndefined(args[0]) {
		return undefined, nil
	}
	yes, err := ev.truth(args[0], 0)
	return !yes, err
}

func fnExists(_ *evaluator, args []any) (any, error) { return !isUndefined(args[0]), nil }

func fnType(_ *evaluator, args []any) (any, error) {
	if isUndefined(args[0]) {
		return undefined, nil
	}
	if _, _, err := finite(args[0]); err != nil {
		return nil, err
	}
	return typeName(args[0]), nil
}

func fnError(_ *evaluator, args []any) (any, error) {
	return nil, raised("D3137", args[0], "$error() function evaluated")
}

func fnAssert(_ *evaluator, args []any) (any, error) {
	if ok, _ := args[0].(bool); ok {
		return undefined, nil
	}
	return nil, raised("D3141", args[1], "$assert() statement failed")
}

// raised is an error whose message the expression gives.
func raised(code string, message any, otherwise string) error {
	f := fail(code, undefined)
	if f.text, _ = message.(string); f.text == "" {
		f.text = otherwise
	}
	return f
}
