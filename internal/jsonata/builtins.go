package jsonata

// builtins are the functions of the language by name. The number is that of the parameters which the function declares to
// those who call it back: $map passes $round a second argument, the position, but $string only the value.
var builtins map[string]*native

func init() {
	builtins = make(map[string]*native, len(catalogue))
	for _, b := range catalogue {
		builtins[b.name] = &native{name: b.name, signature: mustSignature(b.signature), declared: b.arity, run: b.run}
	}
}

var catalogue = []struct {
	name, signature string
	arity           int
	run             func(ev *evaluator, args []any) (any, error)
}{
	{"sum", "<a<n>:n>", 1, fnSum},
	{"count", "<a:n>", 1, fnCount},
	{"max", "<a<n>:n>", 1, fnMax},
	{"min", "<a<n>:n>", 1, fnMin},
	{"average", "<a<n>:n>", 1, fnAverage},

	{"string", "<x-b?:s>", 1, fnString},
	{"substring", "<s-nn?:s>", 3, fnSubstring},
	{"substringBefore", "<s-s:s>", 2, fnSubstringBefore},
	{"substringAfter", "<s-s:s>", 2, fnSubstringAfter},
	{"lowercase", "<s-:s>", 1, fnLowercase},
	{"uppercase", "<s-:s>", 1, fnUppercase},
	{"length", "<s-:n>", 1, fnLength},
	{"trim", "<s-:s>", 1, fnTrim},
	{"pad", "<s-ns?:s>", 3, fnPad},
	{"join", "<a<s>s?:s>", 2, fnJoin},

	{"match", "<s-f<s:o>n?:a<o>>", 3, fnMatch},
	{"contains", "<s-(sf):b>", 2, fnContains},
	{"replace", "<s-(sf)(sf)n?:s>", 4, fnReplace},
	{"split", "<s-(sf)n?:a<s>>", 3, fnSplit},

	{"number", "<(nsb)-:n>", 1, fnNumber},
	{"floor", "<n-:n>", 1, fnFloor},
	{"ceil", "<n-:n>", 1, fnCeil},
	{"round", "<n-n?:n>", 2, fnRound},
	{"abs", "<n-:n>", 1, fnAbs},
	{"sqrt", "<n-:n>", 1, fnSqrt},
	{"power", "<n-n:n>", 2, fnPower},
	{"formatBase", "<n-n?:s>", 2, fnFormatBase},
	{"formatNumber", "<n-so?:s>", 3, fnFormatNumber},
	{"formatInteger", "<n-s:s>", 2, fnFormatInteger},
	{"parseInteger", "<s-s:n>", 2, fnParseInteger},

	{"boolean", "<x-:b>", 1, fnBoolean},
	{"not", "<x-:b>", 1, fnNot},
	{"exists", "<x:b>", 1, fnExists},
	{"type", "<x:s>", 1, fnType},
	{"error", "<s?:x>", 1, fnError},
	{"assert", "<bs?:x>", 2, fnAssert},

	{"map", "<af>", 2, fnMap},
	{"filter", "<af>", 2, fnFilter},
	{"single", "<af?>", 2, fnSingle},
	{"reduce", "<afj?:j>", 3, fnReduce},
	{"sift", "<o-f?:o>", 2, fnSift},
	{"each", "<o-f:a>", 2, fnEach},
	{"sort", "<af?:a>", 2, fnSort},

	{"append", "<xx:a>", 2, fnAppend},
	{"reverse", "<a:a>", 1, fnReverse},
	{"shuffle", "<a:a>", 1, fnShuffle},
	{"distinct", "<x:x>", 1, fnDistinct},
	{"zip", "<a+>", 0, fnZip},

	{"keys", "<x-:a<s>>", 1, fnKeys},
	{"lookup", "<x-s:x>", 2, fnLookup},
	{"spread", "<x-:a<o>>", 1, fnSpread},
	{"merge", "<a<o>:o>", 1, fnMerge},
	{"clone", "<(oa)-:o>", 1, fnClone},

	{"base64encode", "<s-:s>", 1, fnBase64Encode},
	{"base64decode", "<s-:s>", 1, fnBase64Decode},
	{"encodeUrlComponent", "<s-:s>", 1, fnEncodeURLComponent},
	{"encodeUrl", "<s-:s>", 1, fnEncodeURL},
	{"decodeUrlComponent", "<s-:s>", 1, fnDecodeURLComponent},
	{"decodeUrl", "<s-:s>", 1, fnDecodeURL},

	{"now", "<s?s?:s>", 2, fnNow},
	{"millis", "<:n>", 0, fnMillis},
	{"fromMillis", "<n-s?s?:s>", 3, fnFromMillis},
	{"toMillis", "<s-s?:n>", 2, fnToMillis},

	// Of Step Functions.
	{"partition", "<an:a<a>>", 2, fnPartition},
	{"range", "<nnn:a<n>>", 3, fnRange},
	{"hash", "<s-s:s>", 2, fnHash},
	{"random", "<n?:n>", 0, fnRandom},
	{"uuid", "<:s>", 0, fnUUID},
	{"parse", "<s-:x>", 1, fnParse},
}
